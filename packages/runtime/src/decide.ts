import { backoffDelayMs, type BackoffPolicy } from './backoff.js'
import { LATEST_DATE_MS } from './clock.js'
import type { Outcome } from './host/host.js'
import type { Settlement, TaskError } from './task.js'

/**
 * What becomes of a delivery. Pure functions: whoever has the facts gets the decision. `decideSettlement` for a delivery that
 * came back, `decideReap` for those whose worker died and never will.
 */

// ── a delivery that came back ─────────────────────────────────────────────────────────────────────────────────────────

/** What was charged since the last replay, and how much may be. */
export interface Budgets {
  readonly chargedAttempts: number
  readonly chargedCrashes: number
  readonly maxAttempts: number
  readonly maxCrashes: number
}

/** `now` in wall time; `random` as Math.random. */
export function decideSettlement(
  outcome: Outcome,
  budgets: Budgets,
  retry: BackoffPolicy,
  now: number,
  random: () => number,
): Settlement {
  const attempt = (error: TaskError, delayMs: number | null = null): Settlement => {
    const failures = budgets.chargedAttempts + 1
    if (failures >= budgets.maxAttempts)
      return { kind: 'failed', reason: 'exhausted', error, charge: 'attempt' }
    return {
      kind: 'retry',
      error,
      retryAt: asInstant(now + (asDelay(delayMs) ?? backoffDelayMs(failures, retry, random))),
    }
  }
  switch (outcome.kind) {
    case 'succeeded':
      return { kind: 'succeeded', result: outcome.result }
    case 'invalid_payload':
      return { kind: 'failed', reason: 'invalid_payload', error: outcome.error, charge: 'attempt' }
    case 'threw':
      if (!outcome.permanent) return attempt(outcome.error, outcome.delayMs)
      return { kind: 'failed', reason: 'non_retryable', error: outcome.error, charge: 'attempt' }
    case 'snoozed':
      return { kind: 'snooze', until: asInstant(outcome.until) }
    case 'aborted':
    case 'abandoned':
      return stopped(outcome, attempt)
    case 'crashed':
      return crashed(budgets, outcome.error)
  }
}

/** A timeout is an attempt; whoever was stopped for another reason has done nothing wrong. */
function stopped(
  outcome: Extract<Outcome, { kind: 'aborted' | 'abandoned' }>,
  attempt: (error: TaskError) => Settlement,
): Settlement {
  switch (outcome.reason) {
    case 'timeout':
      return attempt({ code: 'timed_out', message: timeoutMessage(outcome) })
    case 'cancel':
      return { kind: 'cancelled' }
    case 'shutdown':
      return { kind: 'release' }
    case 'lease_lost':
      // the queue will answer `stale`: somebody else has the task
      return { kind: 'release' }
  }
}

function timeoutMessage(outcome: Extract<Outcome, { kind: 'aborted' | 'abandoned' }>): string {
  if (outcome.kind === 'abandoned')
    return 'the time limit passed and the handler ignored its signal: it was fenced off'
  return outcome.killed
    ? 'the time limit passed and the handler did not stop: its thread was ended'
    : 'the time limit passed and the handler stopped'
}

function crashed(
  { chargedCrashes, maxCrashes }: Pick<Budgets, 'chargedCrashes' | 'maxCrashes'>,
  error: TaskError,
): Settlement {
  return chargedCrashes + 1 >= maxCrashes
    ? { kind: 'failed', reason: 'crashed', error, charge: 'crash' }
    : { kind: 'crash', error }
}

/** A delay that a handler asked for; what is no time at all leaves it to the backoff. */
function asDelay(delayMs: number | null): number | null {
  return delayMs === null || !Number.isFinite(delayMs) ? null : Math.max(0, delayMs)
}

/** A time that every store can keep and a `Date` can show: whole milliseconds, none later than a date can be. */
function asInstant(ms: number): number {
  return Math.min(LATEST_DATE_MS, Math.round(ms))
}

// ── deliveries whose worker died ──────────────────────────────────────────────────────────────────────────────────────

/** A delivery that a dead owner had in hand. `chargedCrashes` since the last replay. */
export interface InHand {
  readonly chargedCrashes: number
  readonly maxCrashes: number
  readonly cancelRequested: boolean
}

export interface DeadOwner {
  readonly rows: readonly InHand[]
  /** It had one task in hand when it died: nobody else can have killed it. */
  readonly aloneInOwner: boolean
  /** The machine went down, and the worker with it: no task is to blame. */
  readonly machineRestarted: boolean
}

/** How recovery ends a delivery, and whether the task is suspected of having killed its worker. */
export interface Reap {
  readonly settlement: Settlement
  readonly suspect: boolean
}

/**
 * Crashes are charged fairly. A task that was alone in a dead worker is to blame. Of several any may be, so none is charged and
 * all become suspects: each is delivered alone next, and the guilty one shows itself. The answers are in the order of `rows`.
 */
export function decideReap({ rows, aloneInOwner, machineRestarted }: DeadOwner): readonly Reap[] {
  return rows.map((row): Reap => {
    if (row.cancelRequested) return { settlement: { kind: 'cancelled' }, suspect: false }
    if (machineRestarted) return { settlement: { kind: 'release' }, suspect: false }
    if (!aloneInOwner) return { settlement: { kind: 'release' }, suspect: true }
    const settlement = crashed(row, WORKER_CRASHED)
    return { settlement, suspect: settlement.kind === 'crash' }
  })
}

const WORKER_CRASHED: TaskError = {
  code: 'worker_crashed',
  message: 'the worker process ended while this task ran alone in it',
}
