import type { FailureReason, LogLine, Task, TaskStatus } from '../task.js'
import { asArray } from './base.js'

/** What a task is read from, in the order of a row. Tables: tasks AS t, bodies AS b, reports AS r (left joined). */
const COLUMNS = [
  't.id',
  't.type',
  't.version',
  'b.payload',
  't.priority',
  't.run_at',
  't.max_attempts',
  't.timeout_ms',
  't.expires_at',
  't.attempts',
  't.crashes',
  't.releases',
  't.snoozes',
  't.deliveries',
  't.status',
  't.cancel_requested',
  'r.done',
  'r.total',
  'r.note',
  't.result',
  't.error_code',
  't.error_message',
  't.failure_reason',
  'r.log',
  't.created_at',
  't.started_at',
  't.finished_at',
  't.ready_at',
] as const

export const TASK_COLUMNS = COLUMNS.join(', ')

/** Where in a row what a claim changes or compares stands. */
export const TASK_COLUMN = {
  expiresAt: COLUMNS.indexOf('t.expires_at'),
  attempts: COLUMNS.indexOf('t.attempts'),
  crashes: COLUMNS.indexOf('t.crashes'),
  deliveries: COLUMNS.indexOf('t.deliveries'),
  status: COLUMNS.indexOf('t.status'),
  startedAt: COLUMNS.indexOf('t.started_at'),
  length: COLUMNS.length,
} as const

type N = number | null
type S = string | null
/** A row's values, in the order of COLUMNS. */
type Values = readonly [
  ...identity: [id: string, type: string, version: number, payload: string],
  ...options: [priority: number, runAt: number, maxAttempts: number, timeoutMs: N, expiresAt: N],
  ...counters: [attempts: number, crashes: number, releases: number, snoozes: number, deliveries: number],
  ...state: [status: TaskStatus, cancelRequested: number, done: N, total: N, note: S, result: S],
  ...error: [code: S, message: string, reason: FailureReason | null, log: S],
  ...times: [createdAt: number, startedAt: N, finishedAt: N, readyAt: number],
]

/** A row's columns, in the order of TASK_COLUMNS, as a task. */
export function readTask(row: readonly unknown[]): Task {
  // by position: taking a row apart by names of its own would list them all once more
  const v = row as Values
  return {
    id: v[0],
    type: v[1],
    version: v[2],
    payload: v[3],
    priority: v[4],
    runAt: v[5],
    maxAttempts: v[6],
    timeoutMs: v[7],
    expiresAt: v[8],
    attempts: v[9],
    crashes: v[10],
    releases: v[11],
    snoozes: v[12],
    deliveries: v[13],
    status: v[14],
    cancelRequested: v[15] === 1,
    progress: v[16] === null ? null : { done: v[16], total: v[17], note: v[18] },
    result: v[19],
    error: v[20] === null ? null : { code: v[20], message: v[21] },
    failureReason: v[22],
    log: readLog(v[23]),
    createdAt: v[24],
    startedAt: v[25],
    finishedAt: v[26],
    readyAt: v[27],
  }
}

/** No hash covers the log: one that a bad disk made unreadable must not take its task along. */
export function readLog(text: string | null): readonly LogLine[] {
  try {
    return text === null ? [] : (JSON.parse(text) as LogLine[])
  } catch {
    return []
  }
}

/** What one message between the threads should hold at most, in characters of rows: its text is one string, which V8 bounds at half a billion characters. */
export const MOST_CHARS = 32 * 1024 * 1024

/** The first rows that one message should hold, at least one. */
export function withinOneMessage(rows: Iterable<unknown>): (readonly unknown[])[] {
  const taken: (readonly unknown[])[] = []
  let chars = 0
  for (const row of rows) {
    taken.push(asArray(row))
    chars += charsOf(asArray(row))
    if (chars >= MOST_CHARS) break
  }
  return taken
}

export function charsOfAll(rows: readonly (readonly unknown[])[]): number {
  return rows.reduce((sum, row) => sum + charsOf(row), 0)
}

function charsOf(row: readonly unknown[]): number {
  return row.reduce<number>((sum, value) => (typeof value === 'string' ? sum + value.length : sum), 0)
}

export const FROM_TASKS =
  'FROM tasks AS t JOIN bodies AS b ON b.seq = t.seq LEFT JOIN reports AS r ON r.seq = t.seq'
