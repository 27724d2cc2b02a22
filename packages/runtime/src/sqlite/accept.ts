import { hash } from 'node:crypto'
import type { SQLInputValue } from 'node:sqlite'
import { canonicalJson } from '../json.js'
import type { SubmitAnswer, SubmittedTask } from '../queue.js'
import type { NewTask, TaskStatus } from '../task.js'
import { rankOf, type StoreBase } from './base.js'
import type { HandOver } from './hand-over.js'

/** The row's own hash, stored beside it and checked at each claim: SQLite does not notice most flipped bits. */
export function rowHash(id: string, type: string, version: number, payload: string): string {
  return hash('sha256', `${id}\n${type}\n${version}\n${payload}`, 'base64url').slice(0, 22)
}

/** What two submits must share to be the same: the payload's value, not its spelling, and its version. */
function sameness(version: number, payload: string): string {
  return hash('sha256', `${version}\n${canonicalJson(payload)}`, 'base64url')
}

/** Accepting tasks. Runs inside the batch's transaction. */
export function createAccept(base: StoreBase) {
  const { db, clock, limits, tally } = base
  const insertTask = db.prepare(
    `INSERT INTO tasks (id, type, version, status, rank, ready_at, priority, run_at, max_attempts, timeout_ms, expires_at, created_at)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING`,
  )
  const insertRunning = db.prepare(
    `INSERT INTO tasks (id, type, version, status, rank, ready_at, priority, run_at, max_attempts, timeout_ms, expires_at, created_at,
     owner, lease_until, started_at, deliveries)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1) ON CONFLICT (id) DO NOTHING`,
  )
  const insertBody = db.prepare('INSERT INTO bodies (seq, payload, hash) VALUES (?, ?, ?)')
  const byId = db.prepare(
    `SELECT id, type, version, status, created_at, payload FROM tasks JOIN bodies USING (seq) WHERE id = ?`,
  )
  const findKey = db.prepare(
    'SELECT id, hash, created_at FROM keys WHERE scope = ? AND type = ? AND key = ? AND forget_at > ?',
  )
  const keepKey = db.prepare(
    `INSERT OR REPLACE INTO keys (scope, type, key, id, hash, created_at, forget_at) VALUES (?, ?, ?, ?, ?, ?, ?)`,
  )

  /** The first task of this key, if the key is remembered. */
  function byKey(task: NewTask, now: number): SubmitAnswer | null {
    if (!task.idempotency) return null
    const { scope, key } = task.idempotency
    const row = findKey.get(scope, task.type, key, now)
    if (!row) return null
    const id = String(row['id'])
    if (row['hash'] !== sameness(task.version, task.payload)) return { kind: 'conflict', by: 'key', id }
    const createdAt = Number(row['created_at'])
    const first = byId.get(id)
    // once pruned, the id may have become another task's
    const status = first && Number(first['created_at']) === createdAt ? (first['status'] as TaskStatus) : null
    return { kind: 'duplicate', task: { id, type: task.type, status, createdAt } }
  }

  function takenId(task: NewTask): SubmitAnswer {
    const row = byId.get(task.id)!
    const same =
      row['type'] === task.type &&
      sameness(Number(row['version']), String(row['payload'])) === sameness(task.version, task.payload)
    if (!same) return { kind: 'conflict', by: 'id', id: task.id }
    const first: SubmittedTask = {
      id: task.id,
      type: task.type,
      status: row['status'] as TaskStatus,
      createdAt: Number(row['created_at']),
    }
    return { kind: 'duplicate', task: first }
  }

  /** How many of the tasks are not known yet by key or id: the queue would hold this many more. */
  function newAmong(tasks: readonly NewTask[], now: number): number {
    return tasks.filter((task) => byKey(task, now) === null && byId.get(task.id) === undefined).length
  }

  function rememberKey(task: NewTask, now: number): void {
    if (!task.idempotency) return
    const { scope, key } = task.idempotency
    const print = sameness(task.version, task.payload)
    keepKey.run(scope, task.type, key, task.id, print, now, now + limits.idempotencyTtlMs)
  }

  function acceptOne(task: NewTask, now: number, handOver: HandOver | null): SubmitAnswer {
    const known = byKey(task, now)
    if (known) return known
    const { id, type, version, priority, payload, runAt, maxAttempts, timeoutMs, expiresAt } = task
    const status = runAt > now ? 'scheduled' : 'queued'
    const readyAt = Math.max(runAt, now)
    const rank = rankOf(readyAt, priority)
    const taken = handOver?.takes(task, now) ? handOver : null
    const stored = taken ? 'running' : status
    const row: SQLInputValue[] = [
      id,
      type,
      version,
      stored,
      rank,
      readyAt,
      priority,
      runAt,
      maxAttempts,
      timeoutMs,
      expiresAt,
      now,
    ]
    const { changes, lastInsertRowid } = taken
      ? insertRunning.run(...row, taken.owner, taken.leaseUntil, now)
      : insertTask.run(...row)
    if (changes === 0) return takenId(task)
    insertBody.run(lastInsertRowid, payload, rowHash(id, type, version, payload))
    rememberKey(task, now)
    tally.move(type, version, null, stored)
    taken?.took(task, Number(lastInsertRowid), now)
    return { kind: 'accepted', task: { id, type, status, createdAt: now } }
  }

  /** All or none. `waiting` is the number of tasks that wait now. Several at once are never handed over: they may yet be rolled back. */
  return function accept(
    tasks: readonly NewTask[],
    waiting: number,
    handOver: HandOver | null = null,
  ): readonly SubmitAnswer[] {
    const now = clock.wall()
    if (waiting + tasks.length > limits.maxWaiting && waiting + newAmong(tasks, now) > limits.maxWaiting) {
      return tasks.map(() => ({ kind: 'full', waiting, retryAfterMs: 0 }))
    }
    if (tasks.length === 1) return [acceptOne(tasks[0]!, now, handOver)]
    const mark = tally.mark()
    db.exec('SAVEPOINT submit')
    const answers = tasks.map((task) => acceptOne(task, now, null))
    if (answers.some((answer) => answer.kind === 'conflict')) {
      db.exec('ROLLBACK TO submit')
      tally.backTo(mark)
    }
    db.exec('RELEASE submit')
    return answers.some((answer) => answer.kind === 'conflict')
      ? answers.map((answer) => (answer.kind === 'conflict' ? answer : { kind: 'not_submitted' }))
      : answers
  }
}
