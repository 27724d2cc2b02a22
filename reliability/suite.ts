import type { Lab } from './lab.ts'

type Size = 'ci' | 'release'

export interface SuiteOptions {
  readonly seed: number
  readonly size: Size
  /** Asked for on the command line; null: what the size says. */
  readonly kills: number | null
  /** Of the soak, asked for on the command line; null: what the size says. */
  readonly minutes: number | null
  readonly lab: Lab
  /** Where the build is that the lab was made from; null: the runtime's own. */
  readonly dist: string | null
  /** A line for people who wait, on standard error. */
  readonly note: (line: string) => void
}

interface SuiteResult {
  /** Figures of the run, as measured. */
  readonly counts: Readonly<Record<string, unknown>>
  readonly cases: readonly Case[]
}

/** One thing that was tried, and what was found wrong. */
export interface Case {
  readonly name: string
  readonly violations: readonly string[]
}

export type Suite = (options: SuiteOptions) => Promise<SuiteResult>

/** A case whose trial throws has failed with that. */
export async function tryCase(name: string, trial: () => Promise<readonly string[]>): Promise<Case> {
  try {
    return { name, violations: await trial() }
  } catch (error) {
    return { name, violations: [error instanceof Error ? (error.stack ?? error.message) : String(error)] }
  }
}

/** The middle and the largest of some measurements, rounded to whole milliseconds. */
export function p50AndMax(values: readonly number[]): {
  readonly p50: number | null
  readonly max: number | null
} {
  const sorted = values.toSorted((a, b) => a - b)
  const at = (index: number) => (sorted.length === 0 ? null : Math.round(sorted[index]!))
  return { p50: at(Math.floor(sorted.length / 2)), max: at(sorted.length - 1) }
}
