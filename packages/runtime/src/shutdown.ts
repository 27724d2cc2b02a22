import { settledWithin } from './host/race-abort.js'
import type { Loop } from './loop.js'

/** `drained`: all in hand ended by itself · `released`: some were handed back by their own will · `forced`: some had to be killed or left behind. */
export type StopOutcome = 'drained' | 'released' | 'forced'

export interface ShutdownAround {
  readonly loop: Loop
  /** How long a handler may take after the abort. */
  readonly graceMs: number
  /** Whether any delivery was killed or left behind so far. */
  readonly anyForced: () => boolean
  readonly release: (fences: readonly string[]) => Promise<void>
  /** Plugins, queue, keeper; by the deadline. */
  readonly close: (deadlineMs: number) => Promise<void>
}

/** Kept back for settles and closing. */
const CLOSING_SHARE = 0.15

/**
 * The phases after claiming and submits have stopped; all within `timeoutMs`, whatever handlers do.
 *
 * 1 drain: handlers run on · 2 abort: signals say `shutdown`, who stops is released · 3 kill: what is left is released by its fence ·
 * 4 close.
 */
export async function shutDown(timeoutMs: number, around: ShutdownAround): Promise<StopOutcome> {
  const start = performance.now()
  const closingMs = timeoutMs * CLOSING_SHARE
  const abortMs = Math.min(around.graceMs + 500, timeoutMs * 0.4)
  let outcome: StopOutcome = 'drained'
  if (!(await settledWithin(around.loop.drained(), timeoutMs - abortMs - closingMs))) {
    outcome = 'released'
    around.loop.abortAll('shutdown')
    if (!(await settledWithin(around.loop.drained(), abortMs))) {
      outcome = 'forced'
      await settledWithin(around.release(around.loop.inHand()), closingMs / 2)
    }
  }
  if (around.anyForced()) outcome = 'forced'
  await around.close(Math.max(100, timeoutMs - (performance.now() - start)))
  return outcome
}
