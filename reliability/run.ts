/** The reliability suites; `--help` says what there is. */
import { availableParallelism, loadavg } from 'node:os'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createLab } from './lab.ts'
import { readOptions } from './options.ts'
import type { Case } from './suite.ts'
import { SUITES } from './suites.ts'

const SHOWN = 20

const options = readOptions(process.argv.slice(2))
const { seed, size, kills, dist } = options

const lab = createLab(dist === null ? {} : { dist })
const note = (line: string) => console.error(line)
const all: Case[] = []
try {
  for (const name of options.suites) {
    const startedAt = performance.now()
    const { counts, cases } = await SUITES[name]!.run({ ...options, lab, note })
    all.push(...cases)
    const report = reportOf(name, cases, counts, performance.now() - startedAt)
    console.log(JSON.stringify(report))
    if (options.record) record(report)
  }
} finally {
  if (options.keep) console.error(`kept: ${lab.dir}`)
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
