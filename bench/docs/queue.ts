import type { PickupResult } from '../queue/pickup.ts'
import type { WaitingResult } from '../queue/waiting.ts'
import { markdownTable, readRun, type Run, thousands, where } from './markdown.ts'

interface Rate {
  readonly name: string
  readonly version: string
  readonly server: string | null
  readonly durability: string
  readonly settings: string
  readonly rates: readonly number[]
  readonly medianRate: number
  readonly maxRssMb: number
  readonly failure: string | null
}

const spread = (ms: PickupResult['sinceSubmit']) =>
  ms === null ? '–' : `${ms.p50.toFixed(2)} / ${ms.p99.toFixed(2)}`

function queueTable(run: Run<readonly Rate[]>): string {
  const ours = run.results.find(({ name }) => name === 'mcp-worker')!.medianRate
  const rows = run.results
    .filter(({ failure }) => failure === null)
    .toSorted((a, b) => b.medianRate - a.medianRate)
    .map(({ name, version, server, durability, rates, medianRate, maxRssMb }) => [
      `${name} ${version}${server ? `, ${server}` : ''}`,
      durability,
      thousands(medianRate),
      `${thousands(Math.min(...rates))}–${thousands(Math.max(...rates))}`,
      `${(ours / medianRate).toFixed(2)} ×`,
      String(maxRssMb),
    ])
  const head = [
    'engine',
    'an accepted task survives',
    'cycles/s (median)',
    'least–most',
    'ours is',
    'RSS MiB',
  ]
  return markdownTable(head, rows)
}

/** The queue's part of docs/benchmarks.md. */
export function queueSection(): string {
  const queue = readRun<readonly Rate[]>('queue')
  const pickup = readRun<readonly PickupResult[]>('pickup')
  const waiting = readRun<readonly WaitingResult[]>('waiting')
  return `## Whole cycles

Single submits by 64 submitters, each waiting for the acceptance; a no-op handler, 64 at once; from the first submit to the last settled. Ours has everything
on: validation, row hash, metrics, a log line per task.

${where(queue)}

${queueTable(queue)}

How each engine was set up: ${queue.results.map(({ name, settings }) => `**${name}**: ${settings}`).join(' · ')}

## Pick-up

From the submit to the first line of the handler, on an idle worker, in milliseconds (p50 / p99). "After the acceptance" counts from the moment the submitter heard of it; below
zero, the handler was faster than the answer.

${where(pickup)}

${markdownTable(
  ['engine', 'submitted from', 'since the submit', 'after the acceptance'],
  pickup.results
    .filter(({ failure }) => failure === null)
    .map(({ name, from, sinceSubmit, sinceAccepted }) => [
      name,
      from,
      spread(sinceSubmit),
      spread(sinceAccepted),
    ]),
)}

## With many waiting

${where(waiting)}

${markdownTable(
  ['waiting', 'cycles/s', 'RSS MiB'],
  waiting.results.map(({ waiting: many, perSecond, maxRssMb }) => [
    thousands(many),
    thousands(perSecond),
    String(maxRssMb),
  ]),
)}

## Where the time goes

\`pnpm bench --profile\` leaves a profile per thread. Of the keeper's time about half is the commit (its write and its fsync; some thirty tasks share one), a quarter SQL, the rest
messages; the main thread is busy about half of the time. More tasks in flight share more of each commit.
`
}
