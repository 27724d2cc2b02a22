import { WorkerError } from '../errors.js'
import type { ListFilter, QueueCounts, TaskPage } from '../queue.js'
import type { FailureReason, LogLine, Task, TaskStatus } from '../task.js'
import { asArray, prepareArrays, type StoreBase } from './base.js'

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
  const v = row as unknown as Values
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

/** What one message between the threads should hold at most: its text is one string, which V8 bounds at half a billion characters. */
const MOST_CHARS = 32 * 1024 * 1024

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

function sizeOf(rows: readonly (readonly unknown[])[]): number {
  return rows.reduce((sum, row) => sum + charsOf(row), 0)
}

function charsOf(row: readonly unknown[]): number {
  return row.reduce<number>((sum, value) => (typeof value === 'string' ? sum + value.length : sum), 0)
}

export const FROM_TASKS =
  'FROM tasks AS t JOIN bodies AS b ON b.seq = t.seq LEFT JOIN reports AS r ON r.seq = t.seq'

/** Reading. Runs outside a transaction; each answer is of one moment. */
export function createReader({ db }: StoreBase) {
  const one = prepareArrays(db, `SELECT ${TASK_COLUMNS} ${FROM_TASKS} WHERE t.id = ?`)
  const pageOf = (where: string) =>
    prepareArrays(
      db,
      `SELECT ${TASK_COLUMNS}, t.seq ${FROM_TASKS} WHERE t.seq < ? ${where} ORDER BY t.seq DESC LIMIT ?`,
    )
  const pages = {
    all: pageOf(''),
    byStatus: pageOf('AND t.status = ?'),
    byType: pageOf('AND t.type = ?'),
    byBoth: pageOf('AND t.status = ? AND t.type = ?'),
  }
  const counted = db.prepare(`SELECT type, version, status, n FROM counts WHERE n > 0`)
  // priorities make the order of claims differ from that of readiness; the oldest is looked for among those near the head
  const oldest = db.prepare(
    `SELECT min(ready_at) AS at FROM (SELECT ready_at FROM tasks INDEXED BY tasks_ready
      WHERE type = ? AND version = ? AND status = 'queued' AND suspect = 0 ORDER BY rank, seq LIMIT 1000)`,
  )
  const paused = db.prepare('SELECT type FROM paused ORDER BY type')
  const suspects = db.prepare(
    `SELECT count(*) AS n FROM tasks INDEXED BY tasks_suspect WHERE status = 'queued' AND suspect = 1`,
  )

  function rowsOf({ status, type, limit, cursor }: ListFilter): Iterable<unknown> {
    const before = cursor === undefined ? Number.MAX_SAFE_INTEGER : parseCursor(cursor)
    if (status && type) return pages.byBoth.iterate(before, status, type, limit)
    if (status) return pages.byStatus.iterate(before, status, limit)
    if (type) return pages.byType.iterate(before, type, limit)
    return pages.all.iterate(before, limit)
  }

  return {
    get(id: string): Task | null {
      const row = one.get(id)
      return row === undefined ? null : readTask(asArray(row))
    },
    list(filter: ListFilter): TaskPage {
      const rows = withinOneMessage(rowsOf(filter))
      const last = rows.at(-1)
      const isLastPage = rows.length < filter.limit && (last === undefined || sizeOf(rows) < MOST_CHARS)
      return { tasks: rows.map(readTask), cursor: isLastPage ? null : `s${String(last?.at(-1))}` }
    },
    counts(): QueueCounts {
      const rows = counted.all() as { type: string; version: number; status: TaskStatus; n: number }[]
      const byType = new Map<string, Partial<Record<TaskStatus, number>>>()
      for (const { type, status, n } of rows) {
        const ofType = byType.get(type) ?? {}
        byType.set(type, { ...ofType, [status]: (ofType[status] ?? 0) + n })
      }
      const stopped = paused.all().map((row) => String(row['type']))
      const queued = rows.filter((row) => row.status === 'queued' && !stopped.includes(row.type))
      const ages = queued
        .map((row) => oldest.get(row.type, row.version)?.['at'])
        .filter((at) => typeof at === 'number')
      return {
        byType: Object.fromEntries(byType),
        waiting: waitingOf(rows),
        oldestReadyAt: ages.length === 0 ? null : Math.min(...ages),
        paused: stopped,
        suspects: Number(suspects.get()?.['n']),
      }
    },
  }
}

function waitingOf(rows: readonly { type: string; version: number; status: TaskStatus; n: number }[]) {
  const waiting = new Map<string, { type: string; version: number; count: number }>()
  for (const { type, version, status, n } of rows) {
    if (status !== 'scheduled' && status !== 'queued' && status !== 'retrying') continue
    const key = `${version} ${type}`
    waiting.set(key, { type, version, count: (waiting.get(key)?.count ?? 0) + n })
  }
  return [...waiting.values()]
}

function parseCursor(cursor: string): number {
  if (!/^s\d{1,15}$/.test(cursor))
    throw new WorkerError('bad_cursor', 'the cursor is not one that a page gave')
  return Number(cursor.slice(1))
}
