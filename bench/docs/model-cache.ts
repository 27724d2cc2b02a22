import type { Lag } from '../model-cache/loads.ts'
import type { LoadRow, ModelCacheResults } from '../model-cache/parts.ts'
import { markdownTable, readRun, where } from './markdown.ts'

const median = (values: readonly number[]) =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN

function evictionTable({ rows }: ModelCacheResults['eviction']): string {
  const head = ['policy', 'one choice', 'worst', 'with foresight', 'worst', 'whole run', 'worst']
  const body = rows.map(({ policy, choice, foresight, run }) => [
    `\`${policy}\``,
    ...[choice, foresight, run].flatMap(({ mean, worst }) => [mean.toFixed(2), worst.toFixed(2)]),
  ])
  return markdownTable(head, [['exact optimum', ...Array.from({ length: 6 }, () => '1.00')], ...body])
}

/** The median, and all rounds. */
function cell(rounds: readonly Lag[], key: keyof Lag, digits: number): string {
  const all = rounds.map((one) => one[key].toFixed(digits)).join(', ')
  return `${median(rounds.map((one) => one[key])).toFixed(digits)} (${all})`
}

function loadTable(rows: readonly LoadRow[]): string {
  const body = rows.map(({ how, rounds }) => [
    how,
    cell(rounds, 'seconds', 2),
    cell(rounds, 'lagP99Ms', 1),
    cell(rounds, 'lagMaxMs', 0),
    rounds.map((one) => ('deliveries' in one ? String(one.deliveries) : '–')).join(', '),
  ])
  return markdownTable(
    [
      '400 MiB loaded by',
      'seconds',
      'main loop late, p99, ms',
      'at most, ms',
      'deliveries with a lease of 3 s',
    ],
    body,
  )
}

/** The section of docs/benchmarks.md. */
export function modelCacheSection(): string {
  const run = readRun<ModelCacheResults>('model-cache')
  const { eviction, loads, joins } = run.results
  const outcomes = Object.entries(joins.outcomes).map(([outcome, count]) => `${count} ${outcome}`)
  return `## The model cache

### What to evict

${eviction.cases} seeded cases, printed by \`npx model-cache-simulator\`; multiples of the exact optimum, geometric mean and worst. **One choice**: the set that a policy gives up for one load, by the
shares of requests that the cache has learnt, beside the cheapest of all sets. **With foresight**: the same choice and the cheapest set by the true rates. **Whole run**: seconds of loading over
400 requests, beside who knows all of them beforehand.

${evictionTable(eviction)}

### Loading does not hold up the worker

Median of ${run.rounds} rounds (all of them), each in a process of its own. A lease that was not renewed would show as a second delivery.

${loadTable(loads)}

${joins.tasks} tasks at once for one model of 100 MiB: ${joins.loads} load, ${outcomes.join(', ')}, ${joins.seconds.toFixed(2)} s.

${where(run)}
`
}
