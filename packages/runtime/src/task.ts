/**
 * The words (docs/glossary.md): what a task is, where it stands, how a delivery of it ends. Types only.
 *
 * ```
 *  submit(runAt later) ─► scheduled ─┐                          ┌─► succeeded
 *  submit ───────────────► queued ◄──┘── claim ──► running ─────┼─► cancelled
 *                           ▲ ▲ ▲                   │ │ │       └─► failed {FailureReason}
 *                           │ │ └── release (free) ─┘ │ │                │
 *                  retrying ┘ └── crash ──────────────┘ │   replay ──────┘─► queued
 *                  ▲                                    │   snooze ─► scheduled (free)
 *                  └── attempt + 1, backoff ────────────┘
 * ```
 */

/** Where a task stands. `succeeded`, `failed` and `cancelled` are final: only a replay leaves them. */
export type TaskStatus =
  | 'scheduled'
  | 'queued'
  | 'running'
  | 'retrying'
  | 'succeeded'
  | 'failed'
  | 'cancelled'

export const TASK_STATUSES: readonly TaskStatus[] = [
  'scheduled',
  'queued',
  'running',
  'retrying',
  'succeeded',
  'failed',
  'cancelled',
]

const FINAL: ReadonlySet<TaskStatus> = new Set(['succeeded', 'failed', 'cancelled'])

export function isFinal(status: TaskStatus): boolean {
  return FINAL.has(status)
}

/** Why a task is `failed`. `exhausted` keeps the last attempt's error (`timed_out`, for example) beside it. */
export type FailureReason =
  | 'exhausted'
  | 'non_retryable'
  | 'invalid_payload'
  | 'crashed'
  | 'expired'
  | 'corrupt'

/** The error of a task: a code, and a message of at most 4 KiB with its cause chain, secrets redacted. */
export interface TaskError {
  readonly code: string
  readonly message: string
}

/** Work done out of work to do, in units of the handler's choice. `done` never goes backwards within a delivery. */
export interface Progress {
  readonly done: number
  readonly total: number | null
  readonly note: string | null
}

/** A line that a handler logged while it worked on the task. `at` in milliseconds since the epoch. */
export interface LogLine {
  readonly at: number
  readonly level: 'debug' | 'info' | 'warn' | 'error'
  readonly event: string
}

/** The idempotency key of a submit. Keys are compared within `scope` (whose submit it is) and the task's type. */
export interface IdempotencyKey {
  readonly scope: string
  readonly key: string
}

/** A task to be accepted. All times are milliseconds since the epoch (wall time). */
export interface NewTask {
  readonly id: string
  readonly type: string
  /** The version of the payload's schema. Default of the callers above: the newest that the handler has. */
  readonly version: number
  /** JSON text, exactly as it was received. It is parsed again at each claim. */
  readonly payload: string
  /** −100 … 100; one point is worth 60 s of waiting. */
  readonly priority: number
  /** When it may start. Later than now: the task is `scheduled` until then. */
  readonly runAt: number
  readonly maxAttempts: number
  /** Time limit of one delivery in milliseconds; null: the handler's. */
  readonly timeoutMs: number | null
  /** Not started by then: failed with `expired`. */
  readonly expiresAt: number | null
  readonly idempotency: IdempotencyKey | null
}

/**
 * How often a task was tried, and how each try ended. Counters never go down; at every moment
 * `deliveries = attempts + crashes + releases + snoozes + (1 if it runs, or its last delivery ended succeeded or cancelled)`
 * for a task that was never replayed after such an end (each replay of a cancelled task adds the one delivery that it ended).
 */
export interface Counters {
  /** Charged failures: the handler ran and failed, timed out, or its result did not fit its schema. */
  readonly attempts: number
  /** The worker or the host died under it, and it is to blame as far as can be known. */
  readonly crashes: number
  /** Handed back unfinished at no charge: a shutdown, or a crash that somebody else may have caused. */
  readonly releases: number
  /** Put off by its own handler, at no charge. */
  readonly snoozes: number
  /** Claims, including the one under way. Stored before the handler starts. */
  readonly deliveries: number
}

/** A task as the queue holds it. */
export interface Task extends NewTaskFields, Counters {
  readonly status: TaskStatus
  readonly cancelRequested: boolean
  readonly progress: Progress | null
  /** JSON text that the handler returned; null until it succeeded. */
  readonly result: string | null
  /** The last delivery's error; of a failed task, the error that ended it. */
  readonly error: TaskError | null
  readonly failureReason: FailureReason | null
  readonly log: readonly LogLine[]
  readonly createdAt: number
  /** When it may start: `runAt`, or the submit where that was later; after a retry, a snooze or a replay their time. */
  readonly readyAt: number
  /** Start of the last delivery. */
  readonly startedAt: number | null
  readonly finishedAt: number | null
}

type NewTaskFields = Omit<NewTask, 'idempotency'>

/** One claim of a task by one worker. */
export interface Delivery {
  /** Names this claim and no other: new at every delivery, never used again. */
  readonly fence: string
  readonly task: Task
  /** Attempts and crashes charged since the last replay: what the budgets are held against. */
  readonly charged: { readonly attempts: number; readonly crashes: number }
  /** JSON text that an earlier delivery left with `checkpoint.set`; null where there is none. */
  readonly checkpoint: string | null
  /** False where the stored row no longer matches the hash it was stored with: the task must not run. */
  readonly intact: boolean
  /**
   * The lease's end in milliseconds of this process's `context.clock.monotonic()`, never later than the queue's own end (a driver counts from before
   * the claim was sent). A delivery that could not start by then is lost.
   */
  readonly leaseUntil: number
}

/** How a delivery ends in the queue. Made by `decideSettlement`, applied by the driver under the fence. */
export type Settlement =
  | { readonly kind: 'succeeded'; readonly result: string }
  /** A charged failure with budget left: `retrying` until `retryAt`. */
  | { readonly kind: 'retry'; readonly error: TaskError; readonly retryAt: number }
  /** The end. `charge` says which counter the delivery goes to; a failed check (payload, result, hash) is an attempt. */
  | {
      readonly kind: 'failed'
      readonly reason: FailureReason
      readonly error: TaskError
      readonly charge: 'attempt' | 'crash'
    }
  /** The host died under it: queued again at once, one crash charged. */
  | { readonly kind: 'crash'; readonly error: TaskError }
  /** Handed back, free, claimable at once. */
  | { readonly kind: 'release' }
  /** Put off until `until`, free. */
  | { readonly kind: 'snooze'; readonly until: number }
  | { readonly kind: 'cancelled' }
