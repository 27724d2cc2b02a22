import { isFinal } from '../task.js'
import type {
  Delivery,
  LogLine,
  NewTask,
  Progress,
  Settlement,
  Task,
  TaskError,
  TaskStatus,
} from '../task.js'
import type { Reap } from '../decide.js'

/**
 * A task as the memory queue holds it, and each step of its life as a pure function that answers what changes. The diagram is in
 * task.ts; read these top to bottom beside it.
 */
export type Row = { -readonly [K in keyof Task]: Task[K] } & {
  /** Order of acceptance; never changes. */
  readonly seq: number
  /** Wall time from which it may be claimed. */
  readyAt: number
  /** Order of claims: one point of priority is worth a minute of waiting. */
  rank: number
  checkpoint: string | null
  /** Counters as of the last replay: budgets are held against what came after. */
  base: { readonly attempts: number; readonly crashes: number }
  /** Was in hand when its worker died: delivered alone until a delivery ends otherwise. */
  suspect: boolean
  lease: Lease | null
}

export interface Lease {
  readonly fence: string
  readonly owner: number
  /** Monotonic milliseconds. */
  readonly until: number
}

/** What a step changes. */
export type Change = Partial<Omit<Row, 'seq'>>

const RANK_PER_PRIORITY_MS = 60_000

function readyFrom(row: { priority: number }, readyAt: number): { readyAt: number; rank: number } {
  return { readyAt, rank: readyAt - row.priority * RANK_PER_PRIORITY_MS }
}

export function acceptedRow(task: NewTask, seq: number, now: number): Row {
  const { idempotency: _idempotency, ...fields } = task
  return {
    ...UNTRIED,
    ...fields,
    ...readyFrom(task, Math.max(task.runAt, now)),
    ...statusAt(task, now),
    seq,
    createdAt: now,
  }
}

function statusAt({ runAt }: NewTask, now: number): { status: TaskStatus } {
  return { status: runAt > now ? 'scheduled' : 'queued' }
}

const UNTRIED = {
  attempts: 0,
  crashes: 0,
  releases: 0,
  snoozes: 0,
  deliveries: 0,
  base: { attempts: 0, crashes: 0 },
  suspect: false,
  lease: null,
  cancelRequested: false,
  progress: null,
  checkpoint: null,
  log: [],
  result: null,
  error: null,
  failureReason: null,
  startedAt: null,
  finishedAt: null,
}

export function claimed(row: Row, lease: Lease, now: number): Change {
  return { status: 'running', lease, deliveries: row.deliveries + 1, startedAt: now, progress: null }
}

/** The end of a delivery: as its worker says, or as the recovery decides. */
export function settled(row: Row, { settlement, suspect }: Reap, now: number): Change {
  const ended: Change = { lease: null, suspect }
  const end = row.cancelRequested && BACK_TO_QUEUE.has(settlement.kind) ? CANCELLED : settlement
  switch (end.kind) {
    case 'succeeded':
      return { ...ended, ...final('succeeded', now), result: end.result, error: null }
    case 'cancelled':
      return { ...ended, ...cancelled('cancelled while it ran', now) }
    case 'failed':
      return {
        ...ended,
        ...final('failed', now),
        ...charged(row, end.charge),
        failureReason: end.reason,
        error: end.error,
      }
    case 'retry':
      return {
        ...ended,
        ...readyFrom(row, end.retryAt),
        ...charged(row, 'attempt'),
        status: 'retrying',
        error: end.error,
      }
    case 'snooze':
      return { ...ended, ...readyFrom(row, end.until), status: 'scheduled', snoozes: row.snoozes + 1 }
    case 'crash':
      return { ...ended, ...charged(row, 'crash'), status: 'queued', error: end.error }
    case 'release':
      // its rank stays, and with it its old place
      return { ...ended, status: 'queued', releases: row.releases + 1 }
  }
}

const BACK_TO_QUEUE: ReadonlySet<Settlement['kind']> = new Set(['release', 'retry', 'crash', 'snooze'])
const CANCELLED: Settlement = { kind: 'cancelled' }

function final(status: TaskStatus, now: number): Change {
  return { status, finishedAt: now, suspect: false, cancelRequested: false }
}

function cancelled(message: string, now: number): Change {
  return { ...final('cancelled', now), error: { code: 'cancelled', message } }
}

function charged(row: Row, to: 'attempt' | 'crash'): Change {
  return to === 'attempt' ? { attempts: row.attempts + 1 } : { crashes: row.crashes + 1 }
}

/** The time has come for one that was put off. */
export function due(): Change {
  return { status: 'queued' }
}

export function expired(now: number): Change {
  const error: TaskError = { code: 'expired', message: 'it was not started before its time ran out' }
  return { ...final('failed', now), failureReason: 'expired', error }
}

/** Of one that waits it is the end; of one that runs it is a wish. */
export function cancelAsked(row: Row, now: number): Change {
  return row.status === 'running' ? { cancelRequested: true } : cancelled('cancelled before it ran', now)
}

/** Somebody wants it on purpose: its expiry does not apply any more. */
export function replayed(row: Row, now: number): Change {
  return {
    ...readyFrom(row, now),
    status: 'queued',
    base: { attempts: row.attempts, crashes: row.crashes },
    result: null,
    error: null,
    failureReason: null,
    progress: null,
    expiresAt: null,
    startedAt: null,
    finishedAt: null,
  }
}

/** `log` lines are added, the last hundred are kept. */
export function reported(
  row: Row,
  report: {
    readonly progress?: Progress
    readonly checkpoint?: string | null
    readonly log?: readonly LogLine[]
  },
): Change {
  const change: Change = {}
  if (report.progress) change.progress = report.progress
  if (report.checkpoint !== undefined) change.checkpoint = report.checkpoint
  if (report.log) change.log = [...row.log, ...report.log].slice(-LOG_LINES)
  return change
}

const LOG_LINES = 100

// ── what is shown of it ───────────────────────────────────────────────────────────────────────────────────────────────

export function isWaiting({ status }: Row): boolean {
  return status !== 'running' && !isFinal(status)
}

/** A copy: what was answered once does not change any more. */
export function taskOf(row: Row): Task {
  const { seq: _seq, rank: _rank, checkpoint: _cp, base: _base, ...rest } = row
  const { suspect: _suspect, lease: _lease, ...task } = rest
  return task
}

export function deliveryOf(row: Row, lease: Lease): Delivery {
  return {
    fence: lease.fence,
    task: taskOf(row),
    charged: { attempts: row.attempts - row.base.attempts, crashes: row.crashes - row.base.crashes },
    checkpoint: row.checkpoint,
    intact: true,
    leaseUntil: lease.until,
  }
}
