import type { Keeper } from './keeper/keeper.js'
import type { Clock } from './clock.js'
import type { Delivery, LogLine, NewTask, Progress, Settlement, Task, TaskStatus } from './task.js'

/**
 * The queue contract. The text of this file is the specification: each sentence marked `[Qn]` is a test of
 * `testQueueDriver` (`@mcp-worker/runtime/testing`), and every driver passes the same suite.
 *
 * A driver belongs to one worker process (an *owner*); several owners may work on the same queue. Members never throw for a
 * refusal that the contract names: they answer it. They throw `WorkerError`: `store_unavailable` (nothing was done),
 * `outcome_unknown` (it may have been done: ask with the same id or key), `storage_full`, `store_failed` (the store can't be
 * trusted any more; the process must end). `[Q0]` After `close` every member rejects with `queue_closed`.
 *
 * Wall times (due times, expiry, retention) are compared with `context.clock.wall()` of the process that calls, never with a server's wall
 * clock. Each sentence was held against Redis and PostgreSQL: docs/decisions/contract-vs-engines.md.
 */
export interface QueueDriver {
  readonly capabilities: Capabilities

  /**
   * Connects, migrates the store, and hands back at once what owners that are known to be dead had in hand; the others' follow when their leases
   * end. Rejects with what is wrong and the remedy.
   */
  open(context: QueueContext): Promise<void>

  /**
   * Accepts tasks, all or none.
   * - `[Q1]` It resolves only when the tasks survive what `capabilities.durability` says.
   * - `[Q1.1]` One refused task refuses all of the call: the others answer `not_submitted` and nothing is stored.
   * - `[Q1.2]` A task with `runAt` in the future is `scheduled`, else it is `queued`.
   * - `[Q10]` The same idempotency key (scope, type) and payload answers `duplicate` with the first task, for `idempotencyTtlMs` from
   *   the submit, even when the task itself was pruned; of N equal submits at once exactly one is accepted.
   * - `[Q10.1]` The same key with another payload or version answers `conflict`. Payloads are compared by their canonical hash: key order and
   *   white space do not matter.
   * - `[Q10.2]` A taken id with the same type and payload answers `duplicate`, with another one `conflict`; once pruned it is free again.
   * - `[Q10.3]` The same key in another scope or of another type is another key.
   * - `[Q12]` A queue that would hold more than `limits.maxWaiting` waiting tasks answers `full` with the time after which to come
   *   again. (On a server, submits under way at the same moment may exceed it by their own number.)
   */
  submit(tasks: readonly NewTask[]): Promise<readonly SubmitAnswer[]>

  /**
   * Leases deliveries to this owner.
   * - `[Q8]` Only types and versions that are wanted are delivered, never more than `free` of a type nor `max` in all.
   * - `[Q8.1]` The oldest rank comes first across types: `rank = readyAt − priority × 60 s`; at equal rank, first in, first out. That is among
   *   what no other claim is taking at the same moment; a claim may answer fewer than there are then, and is woken again.
   * - `[Q8.2]` Nothing that is scheduled, retrying before its time, paused, final, running or cancelled is delivered.
   * - `[Q2]` A task has at most one live lease, whoever claims.
   * - `[Q3]` A fence is new at every delivery and never used again, also across a reopening of the store.
   * - `[Q6]` `deliveries` counts this delivery before it is answered.
   * - `[Q8.3]` A suspect (a task that was in hand when its worker died, and may have killed it) is delivered only to a claim with `alone`,
   *   and then as the only one; other claims answer how many suspects wait that they could have had.
   * - `[Q8.4]` An expired task (`expiresAt` passed before its first start) is not delivered but failed with `expired`.
   * - `[Q8.5]` With nothing to deliver it may wait up to `waitMs`, answering as soon as there is something. Several claims of an owner may wait: what
   *   comes goes to the one that waits longest and wants it. A claim with `max: 0` answers at once how many suspects wait, and makes those that wait answer empty.
   * - `[Q3.1]` A row that does not match the hash it was stored with is delivered with `intact: false` (drivers that hash: `capabilities.integrity`).
   */
  claim(request: ClaimRequest): Promise<Claim>

  /**
   * Prolongs leases by `leaseMs` from now. Called by the keeper while it can, here for owners without one.
   * - `[Q3.2]` A fence that isn't current answers `stale` and changes nothing.
   * - `[Q2.1]` A lease that is not renewed ends: the task is delivered again, and its old fence is stale. Between the two, either answer is right.
   * - `[Q9]` A worker's wall clock stepping by hours, either way, changes no lease.
   */
  renew(fences: readonly string[]): Promise<readonly ('renewed' | 'stale')[]>

  /**
   * Ends a delivery.
   * - `[Q3.3]` A fence that isn't current answers `stale` and changes nothing: not the status, not a counter, not the result. (Repeated after
   *   `outcome_unknown`, `stale` may mean that the first try was stored.)
   * - `[Q6.1]` The counters add up after every kind of settlement (see `Counters`).
   * - `[Q7]` A release is free and immediate: the task can be claimed again at once, in its old place.
   * - `[Q6.2]` A retry waits until `retryAt`, a snooze until `until`.
   * - `[Q5.1]` The result is stored byte for byte, iff the task succeeded.
   * - `[Q7.1]` A release, retry, crash or snooze of a task whose cancel was requested ends it as `cancelled`.
   */
  settle(fence: string, settlement: Settlement): Promise<'settled' | 'stale'>

  /**
   * Keeps what a handler reports while it works. Later values replace earlier ones, log lines are added (the last 100 are kept).
   * - `[Q3.4]` A fence that isn't current answers `stale` and changes nothing.
   * - `[Q5.2]` A checkpoint survives the delivery and comes with the next one.
   */
  record(fence: string, report: Report): Promise<'recorded' | 'stale'>

  /**
   * - `[Q4.1]` A task that waits is cancelled at once and never starts afterwards.
   * - `[Q4.2]` Of one that runs the cancel is requested: its owner hears of it by `onWake`, whichever process asked, at the latest with its next renewal.
   * - `[Q4]` Final is final: a final task answers `final` and does not change.
   */
  requestCancel(id: string): Promise<'cancelled' | 'requested' | 'final' | 'not_found'>

  /**
   * Puts a failed or cancelled task back, ready now.
   * - `[Q4.3]` Its budgets start anew, its counters are not lowered, and its error, result and progress are gone; its checkpoint stays.
   * - `[Q4.4]` A succeeded task and one that is not final answer `not_replayable`.
   */
  replay(id: string): Promise<'replayed' | 'not_replayable' | 'not_found'>

  /** `[Q5]` Every accepted task can be read until it is pruned. */
  get(id: string): Promise<Task | null>

  /**
   * `[Q5.3]` A page, newest first (in the reverse order of acceptance); the cursor of one page leads to the next without a gap or a repeat, for
   * tasks that were accepted before the first page and match throughout.
   */
  list(filter: ListFilter): Promise<TaskPage>

  /** `[Q5.4]` Counts add up with what `list` shows; each is exact. */
  counts(): Promise<QueueCounts>

  /** `[Q8.6]` Stops delivery of a type, durably and for all owners, until `resume`; submits are still accepted. */
  pause(type: string): Promise<void>
  resume(type: string): Promise<void>

  /**
   * `[Q5.5]` Deletes final tasks past their retention, at most `limit` of them, oldest first; nothing that is not final is ever pruned.
   * `[Q12.2]` Ends by its deadline. Answers how many went. `[Q5.6]` With `dryRun` nothing goes, and it answers how many would.
   */
  prune(
    policy: Retention,
    options: { readonly limit: number; readonly deadlineMs: number; readonly dryRun?: boolean },
  ): Promise<number>

  /** Calls the listener when something happened that this owner should look at. Answers the way to stop listening. */
  onWake(listener: (wake: Wake) => void): () => void

  /** `[Q12.1]` Ends by its deadline, even with the store frozen. Calls under way reject, a waiting claim answers empty; leases that are
   * still held are left to the recovery. */
  close(options: { readonly deadlineMs: number }): Promise<void>
}

/** What a driver can do. Read it after `open`: of a server, `durability` and `wakeMs` are what its settings give. */
export interface Capabilities {
  readonly name: string
  /** What an accepted task survives: `power` a power cut, `process` a killed process, `none` neither. */
  readonly durability: 'power' | 'process' | 'none'
  /** Whether other processes may open the same queue. */
  readonly shared: boolean
  /** Whether rows are hashed and checked at claim. */
  readonly integrity: boolean
  /** True: its resident in the keeper thread renews leases, even while the main thread is blocked. False: the worker calls `renew`. */
  readonly keeperRenews: boolean
  /** The longest time after which another process hears of new work, in milliseconds. */
  readonly wakeMs: number
}

/** Tasks in hand of an owner that will not settle them any more. */
export interface Recovered {
  readonly owner: string
  /** `lease_ended`: it lives, and was suspended, or its machine was. */
  readonly why: 'owner_died' | 'lease_ended' | 'machine_restarted'
  readonly tasks: number
}

export interface QueueContext {
  readonly keeper: Keeper
  readonly clock: Clock
  readonly limits: QueueLimits
  /** One line per event; payloads never. */
  readonly log: (level: LogLine['level'], event: string, fields?: Record<string, unknown>) => void
  /** Told of each commit: how long it took, in milliseconds. */
  readonly onCommit?: (durationMs: number) => void
  /** Told of each owner whose tasks in hand were taken back, by this one. */
  readonly onRecovered?: (recovered: Recovered) => void
  /** The store can't be trusted any more (an I/O error, corruption): nothing is acknowledged from here on, the process must end. */
  readonly onFatal: (error: Error) => void
}

export interface QueueLimits {
  /** Length of a lease. Default 30 s; renewed every third of it. */
  readonly leaseMs: number
  /** Crashes after which a task is failed with `crashed`. Default 3. */
  readonly maxCrashes: number
  /** Waiting tasks (scheduled, queued, retrying) that the queue holds. Default 1,000,000. */
  readonly maxWaiting: number
  /** How long an idempotency key is remembered. Default 24 h. */
  readonly idempotencyTtlMs: number
}

export const DEFAULT_LIMITS: QueueLimits = {
  leaseMs: 30_000,
  maxCrashes: 3,
  maxWaiting: 1_000_000,
  idempotencyTtlMs: 24 * 3_600_000,
}

export type SubmitAnswer =
  | { readonly kind: 'accepted'; readonly task: SubmittedTask }
  | { readonly kind: 'duplicate'; readonly task: SubmittedTask }
  /** The id or the key belongs to another task. */
  | { readonly kind: 'conflict'; readonly by: 'id' | 'key'; readonly id: string }
  | { readonly kind: 'full'; readonly waiting: number; readonly retryAfterMs: number }
  | { readonly kind: 'not_submitted' }

/** Of a duplicate whose task was pruned already, `status` is null, also where the id has become another task's since. */
export interface SubmittedTask {
  readonly id: string
  readonly type: string
  readonly status: TaskStatus | null
  readonly createdAt: number
}

export interface Want {
  readonly type: string
  readonly versions: readonly number[]
  readonly free: number
}

export interface ClaimRequest {
  readonly wants: readonly Want[]
  readonly max: number
  /** Ask for one suspect, and nothing else. Only for an owner that has nothing else in hand. Default false. */
  readonly alone?: boolean
  /** How long the answer may wait for work. Default 0. */
  readonly waitMs?: number
}

export interface Claim {
  readonly deliveries: readonly Delivery[]
  /** Suspects that wait for a claim with `alone`. */
  readonly suspects: number
}

export interface Report {
  readonly progress?: Progress
  /** JSON text; null deletes it. */
  readonly checkpoint?: string | null
  readonly log?: readonly LogLine[]
}

export interface ListFilter {
  readonly status?: TaskStatus
  readonly type?: string
  /** 1 … 1,000 */
  readonly limit: number
  /** As the page before gave it. Anything else is refused with `bad_cursor`. */
  readonly cursor?: string
}

export interface TaskPage {
  readonly tasks: readonly Task[]
  readonly cursor: string | null
}

export interface QueueCounts {
  /** Every type that has tasks, with the number in each status that has any. */
  readonly byType: Readonly<Record<string, Readonly<Partial<Record<TaskStatus, number>>>>>
  /** For each type and version with waiting work; what no worker can run is found by it. */
  readonly waiting: readonly { readonly type: string; readonly version: number; readonly count: number }[]
  /** When the oldest task that could be claimed became ready; null where none waits. */
  readonly oldestReadyAt: number | null
  readonly paused: readonly string[]
  readonly suspects: number
}

/** Final tasks are kept this long and this many, whichever is less. */
export interface Retention {
  readonly succeeded: { readonly maxAgeMs: number; readonly maxCount: number }
  /** Failed and cancelled ones. */
  readonly failed: { readonly maxAgeMs: number; readonly maxCount: number }
}

export const DEFAULT_RETENTION: Retention = {
  succeeded: { maxAgeMs: 24 * 3_600_000, maxCount: 100_000 },
  failed: { maxAgeMs: 30 * 24 * 3_600_000, maxCount: 100_000 },
}

export interface Wake {
  /** There may be something to claim. */
  readonly ready: boolean
  /** Fences of this owner whose task somebody asked to cancel. */
  readonly cancelled: readonly string[]
  /** Fences of this owner whose lease was lost: their results will be refused. */
  readonly lost: readonly string[]
  /** Tasks may have become final in another process. */
  readonly changed: boolean
}
