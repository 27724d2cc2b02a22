/** Writes docs/benchmarks.md from what the runs left in bench/results: `node bench/write-docs.ts`. No figure there is written by hand. */
import { readFileSync, writeFileSync } from 'node:fs'
import type { PickupResult } from './queue/pickup.ts'
import type { WaitingResult } from './queue/waiting.ts'

interface Machine {
  readonly cpu: string
  readonly cores: number
  readonly system: string
  readonly node: string
  readonly fsyncMs: number
  readonly loadBefore: number
}

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

interface Run<R> {
  readonly at: string
  readonly machine: Machine
  readonly results: readonly R[]
}

const read = <R>(name: string) =>
  JSON.parse(readFileSync(new URL(`results/${name}.json`, import.meta.url), 'utf8')) as Run<R>
const n = (value: number) => Math.round(value).toLocaleString('en')
const spread = (ms: PickupResult['sinceSubmit']) =>
  ms === null ? '–' : `${ms.p50.toFixed(2)} / ${ms.p99.toFixed(2)}`
const row = (cells: readonly string[]) => `| ${cells.join(' | ')} |`

function where({ at, machine }: Run<unknown>): string {
  const { cpu, cores, system, node, fsyncMs, loadBefore } = machine
  return `Measured ${at.slice(0, 10)} on ${cores} cores (${cpu}), ${system}, Node ${node}; one fsync took ${fsyncMs} ms, load before the run ${loadBefore}.`
}

function queueTable(run: Run<Rate>): string[] {
  const ours = run.results.find(({ name }) => name === 'mcp-worker')!.medianRate
  const rows = run.results
    .filter(({ failure }) => failure === null)
    .toSorted((a, b) => b.medianRate - a.medianRate)
    .map(({ name, version, server, durability, rates, medianRate, maxRssMb }) =>
      row([
        `${name} ${version}${server ? `, ${server}` : ''}`,
        durability,
        n(medianRate),
        `${n(Math.min(...rates))}–${n(Math.max(...rates))}`,
        `${(ours / medianRate).toFixed(2)} ×`,
        String(maxRssMb),
      ]),
    )
  return [
    row(['engine', 'an accepted task survives', 'cycles/s (median)', 'least–most', 'ours is', 'RSS MiB']),
    row(['---', '---', '---', '---', '---', '---']),
    ...rows,
  ]
}

const queue = read<Rate>('queue')
const pickup = read<PickupResult>('pickup')
const waiting = read<WaitingResult>('waiting')

const text = `# Benchmarks

Made by \`pnpm bench\`, \`pnpm bench --pickup\`, \`pnpm bench --waiting N\` and \`node bench/write-docs.ts\`. Trust the ratios, not the absolutes: all engines of a
table ran in one run on one machine.

## Whole cycles

Single submits by 64 submitters, each waiting for the acceptance; a no-op handler, 64 at once; from the first submit to the last settled. Ours has everything
on: validation, row hash, metrics, a log line per task.

${where(queue)}

${queueTable(queue).join('\n')}

How each engine was set up: ${queue.results.map(({ name, settings }) => `**${name}**: ${settings}`).join(' · ')}

## Pick-up

From the submit to the first line of the handler, on an idle worker, in milliseconds (p50 / p99). "After the acceptance" counts from the moment the submitter heard of it; below
zero, the handler was faster than the answer.

${where(pickup)}

| engine | submitted from | since the submit | after the acceptance |
| --- | --- | --- | --- |
${pickup.results
  .filter(({ failure }) => failure === null)
  .map(({ name, from, sinceSubmit, sinceAccepted }) =>
    row([name, from, spread(sinceSubmit), spread(sinceAccepted)]),
  )
  .join('\n')}

## With many waiting

${where(waiting)}

| waiting | cycles/s | RSS MiB |
| --- | --- | --- |
${waiting.results.map(({ waiting: many, perSecond, maxRssMb }) => row([n(many), n(perSecond), String(maxRssMb)])).join('\n')}

## Where the time goes

\`pnpm bench --profile\` leaves a profile per thread. Of the keeper's time about half is the commit (its write and its fsync; some thirty tasks share one), a quarter SQL, the rest
messages; the main thread is busy about half of the time. More tasks in flight share more of each commit.
`
writeFileSync(new URL('../docs/benchmarks.md', import.meta.url), text)
