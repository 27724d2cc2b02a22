/**
 * The reliability suites: `node reliability/run.ts [suite…] [--seed N] [--kills N] [--minutes N] [--size ci|release] [--dist DIR] [--record]`.
 * `--kills`: kills, images, lives: how often the suite tries. `--record`: keeps the line for docs/reliability.md.
 *
 * One JSON line per suite on standard output, then `N passed, N failed`. Exit code 1 on a violation.
 */
import { availableParallelism, loadavg } from 'node:os'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { createLab } from './lab.ts'
import type { Case, Suite } from './suite.ts'
import { clock } from './suites/clock.ts'
import { faults } from './suites/faults.ts'
import { handlers } from './suites/handlers.ts'
import { input } from './suites/input.ts'
import { kill } from './suites/kill.ts'
import { lease } from './suites/lease.ts'
import { model } from './suites/model.ts'
import { mutants } from './suites/mutants.ts'
import { power } from './suites/power.ts'
import { serviceFaults } from './suites/service-faults.ts'
import { pressure } from './suites/pressure.ts'
import { shutdown } from './suites/shutdown.ts'
import { soak } from './suites/soak.ts'
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
  handlers,
  model,
  soak,
  mutants,
}
const SHOWN = 20

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    kills: { type: 'string' },
    minutes: { type: 'string' },
    record: { type: 'boolean', default: false },
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
const minutes = values.minutes === undefined ? null : Number(values.minutes)
const kills = values.kills === undefined ? null : Number(values.kills)
if (minutes !== null && !(minutes > 0)) throw new Error('--minutes: expected a number above zero')
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
      minutes,
      lab,
      dist: values.dist ?? null,
      note: (line) => console.error(line),
    })
    all.push(...cases)
    const report = reportOf(name, cases, counts, performance.now() - startedAt)
    console.log(JSON.stringify(report))
    if (values.record) record(report)
  }
} finally {
  if (values.keep) console.error(`kept: ${lab.dir}`)
  else lab.dispose()
}
const failed = all.filter(({ violations }) => violations.length > 0).length
console.log(`${all.length - failed} passed, ${failed} failed`)
process.exit(failed === 0 ? 0 : 1)

/** For docs/reliability.md: `node reliability/write-docs.ts`. */
function record(report: ReturnType<typeof reportOf>): void {
  const file = join(import.meta.dirname, 'results', `${report.suite}.json`)
  const line = { ...report, at: new Date().toISOString().slice(0, 10) }
  writeFileSync(file, `${JSON.stringify(line, null, 2)}\n`)
}

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
