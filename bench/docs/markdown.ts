import { readFileSync } from 'node:fs'

interface Machine {
  readonly cpu: string
  readonly cores: number
  readonly system: string
  readonly node: string
  readonly fsyncMs: number
  readonly loadBefore: number
}

/** What a run left in bench/results. */
export interface Run<R> {
  readonly at: string
  readonly machine: Machine
  readonly rounds?: number
  readonly results: R
}

export const readRun = <R>(name: string) =>
  JSON.parse(readFileSync(new URL(`../results/${name}.json`, import.meta.url), 'utf8')) as Run<R>

/** A file that holds several runs under `results`. */
export const readResults = <R>(name: string) => readRun<R>(name).results

export const thousands = (value: number) => Math.round(value).toLocaleString('en')

const row = (cells: readonly string[]) => `| ${cells.join(' | ')} |`

/** A table of Markdown. */
export function markdownTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return [row(head), row(head.map(() => '---')), ...rows.map(row)].join('\n')
}

export function where({ at, machine }: Run<unknown>): string {
  const { cpu, cores, system, node, fsyncMs, loadBefore } = machine
  return `Measured ${at.slice(0, 10)} on ${cores} cores (${cpu}), ${system}, Node ${node}; one fsync took ${fsyncMs} ms, load before the run ${loadBefore}.`
}
