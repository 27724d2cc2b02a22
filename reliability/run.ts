/**
 * The reliability suites: `node reliability/run.ts [suite…] [--seed N] [--kills N] [--size ci|release] [--dist DIR]`.
 *
 * One JSON line per suite on standard output, then `N passed, N failed`. Exit code 1 on a violation.
 */
import { availableParallelism, loadavg } from 'node:os'
import { parseArgs } from 'node:util'
import { createLab } from './lab.ts'
import type { Case, Suite } from './suite.ts'
import { clock } from './suites/clock.ts'
import { faults } from './suites/faults.ts'
import { input } from './suites/input.ts'
import { kill } from './suites/kill.ts'
import { lease } from './suites/lease.ts'
import { mutants } from './suites/mutants.ts'
import { power } from './suites/power.ts'
import { serviceFaults } from './suites/service-faults.ts'
import { pressure } from './suites/pressure.ts'
import { shutdown } from './suites/shutdown.ts'
import { spin } from './suites/spin.ts'

const SUITES: Readonly<Record<string, Suite>> = {
  kill,
  power,
  lease,
  shutdown,
  spin,
  faults,
  'service-faults': serviceFaults,
  clock,
  input,
  pressure,
  mutants,
}
const SHOWN = 20

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    kills: { type: 'string' },
    size: { type: 'string', default: 'ci' },
    dist: { type: 'string' },
    keep: { type: 'boolean', default: false },
  },
})
const unknown = positionals.filter((name) => !(name in SUITES))
if (unknown.length > 0)
  throw new Error(`expected suites out of ${Object.keys(SUITES).join(', ')}, got ${unknown.join(', ')}`)
if (values.size !== 'ci' && values.size !== 'release')
  throw new Error(`--size: expected ci or release, got ${values.size}`)
const { size } = values
const seed = Number(values.seed)
const kills = values.kills === undefined ? null : Number(values.kills)
if (!Number.isSafeInteger(seed) || (kills !== null && !(Number.isSafeInteger(kills) && kills > 0)))
  throw new Error('--seed, --kills: expected whole numbers')

const lab = createLab(values.dist === undefined ? {} : { dist: values.dist })
const all: Case[] = []
try {
  for (const name of positionals.length > 0 ? positionals : Object.keys(SUITES)) {
    const startedAt = performance.now()
    const { counts, cases } = await SUITES[name]!({
      seed,
      size,
      kills,
      lab,
      dist: values.dist ?? null,
      note: (line) => console.error(line),
    })
    all.push(...cases)
    console.log(JSON.stringify(reportOf(name, cases, counts, performance.now() - startedAt)))
  }
} finally {
  if (values.keep) console.error(`kept: ${lab.dir}`)
  else lab.dispose()
}
const failed = all.filter(({ violations }) => violations.length > 0).length
console.log(`${all.length - failed} passed, ${failed} failed`)
process.exit(failed === 0 ? 0 : 1)

function reportOf(
  suite: string,
  cases: readonly Case[],
  counts: Readonly<Record<string, unknown>>,
  tookMs: number,
) {
  const broken = cases.filter(({ violations }) => violations.length > 0)
  const killsOption = kills === null ? '' : ` --kills ${kills}`
  return {
    suite,
    seed,
    size,
    passed: cases.length - broken.length,
    failed: broken.length,
    counts,
    seconds: Math.round(tookMs / 1000),
    machine: { cores: availableParallelism(), load: loadavg().map((one) => Math.round(one * 10) / 10) },
    versions: lab.versions,
    ...(broken.length === 0
      ? {}
      : {
          violations: broken.map(({ name, violations }) => ({
            case: name,
            count: violations.length,
            first: violations.slice(0, SHOWN),
          })),
          repeat: `node reliability/run.ts ${suite} --seed ${seed}${killsOption} --size ${size} --keep`,
        }),
  }
}
