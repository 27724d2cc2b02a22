import { hash } from 'node:crypto'

/** What a task of the ledger plugin is to do, carried in its payload; the checks read their expectations from it. */
export interface Work {
  /** Free text; `sum` is its hash, so that a changed payload shows. */
  readonly text: string
  readonly sum: string
  /** Milliseconds of waiting, ended by the signal. */
  readonly ms: number
  /** The wait ignores the signal. */
  readonly stubborn: boolean
  /** Attempts that throw before one succeeds. */
  readonly failures: number
  /** The throw says that trying again is no use. */
  readonly permanent: boolean
  /** Checkpoints to go through, one after the other. */
  readonly steps: number
  /** Times it puts itself off. */
  readonly naps: number
  /** Child tasks to submit. */
  readonly children: number
}

export const LEDGER_TYPES = ['quick', 'slow', 'flaky', 'parent', 'steps', 'nap'] as const

export type LedgerType = (typeof LEDGER_TYPES)[number]

const NOTHING = { ms: 0, stubborn: false, failures: 0, permanent: false, steps: 0, naps: 0, children: 0 }

export function workOf(text: string, what: Partial<Omit<Work, 'text' | 'sum'>> = {}): Work {
  return { text, sum: sumOf(text), ...NOTHING, ...what }
}

export function sumOf(text: string): string {
  return hash('sha256', text, 'base64url')
}
