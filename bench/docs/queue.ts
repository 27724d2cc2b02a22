import type { PickupResult } from '../queue/pickup.ts'
import type { InsideResult } from '../queue/throughput.ts'
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
  readonly inside: InsideResult | null
  readonly failure: string | null
}

const OURS = 'mcp-worker'

const spread = (ms: PickupResult['sinceSubmit']) =>
  ms === null ? '–' : `${ms.p50.toFixed(2)} / ${ms.p99.toFixed(2)}`

function queueTable(run: Run<readonly Rate[]>): string {
  const ours = run.results.find(({ name }) => name === OURS)!.medianRate
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

Single submits by 64 submitters, each waiting for the acceptance; a no-op handler, 64 at once; from the first submit to the last settled, after a warm-up of each engine in the same process. Ours has everything
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

${whereTheTimeGoes(queue)}
`
}

const percent = (part: number) => `${Math.round(part * 100)} %`

function whereTheTimeGoes({ results }: Run<readonly Rate[]>): string {
  const { inside, medianRate } = results.find(({ name }) => name === OURS)!
  return `Of our engine, in the table above (means of its rounds): a transaction carries ${inside!.tasksPerTransaction} tasks and takes ${inside!.msPerTransaction} ms with its fsync; the keeper thread is in one ${percent(inside!.inTransaction)} of the
time. The main thread, which validates, runs the handlers, counts and logs, takes ${inside!.mainCpuUsPerTask} µs of CPU a task and is busy ${percent(inside!.mainBusy)} of the time; all other threads
(the keeper with SQLite, the garbage collector's) take ${inside!.otherCpuUsPerTask} µs a task. At ${thousands(medianRate)} cycles a second that is ${((medianRate * (inside!.mainCpuUsPerTask + inside!.otherCpuUsPerTask)) / 1e6).toFixed(1)} cores. \`pnpm bench --profile\` leaves a profile per thread.`
}
