import type { Retention } from '../queue.js'
import type { TaskStatus } from '../task.js'
import { asArray, prepareArrays, rankOf, type StoreBase } from './base.js'

/** Rows that one transaction may touch here: a slice, so that submits and settles never wait long behind it. */
const SLICE = 500

/** What time does to tasks: due ones become ready, late ones expire, old ones are pruned. Runs inside a transaction. */
export function createTend(base: StoreBase) {
  const { db, clock, tally } = base
  const due = prepareArrays(
    db,
    `SELECT seq, type, version, status, ready_at, priority FROM tasks INDEXED BY tasks_due
     WHERE status IN ('scheduled', 'retrying') AND ready_at <= ? ORDER BY ready_at LIMIT ${SLICE}`,
  )
  const next = prepareArrays(db, `SELECT min(ready_at) FROM tasks INDEXED BY tasks_due WHERE status IN ('scheduled', 'retrying')`)
  const makeReady = db.prepare(`UPDATE tasks SET status = 'queued', rank = ? WHERE seq = ?`)
  const late = prepareArrays(
    db,
    `SELECT seq, type, version, status FROM tasks INDEXED BY tasks_expiring
     WHERE expires_at IS NOT NULL AND status IN ('scheduled', 'queued') AND expires_at <= ? AND deliveries = 0 LIMIT ${SLICE}`,
  )
  const expire = db.prepare(
    `UPDATE tasks SET status = 'failed', failure_reason = 'expired', error_code = 'expired',
     error_message = 'it was not started before expires_at', finished_at = ? WHERE seq = ?`,
  )
  const old = prepareArrays(
    db,
    `SELECT seq, type, version FROM tasks INDEXED BY tasks_final WHERE finished_at IS NOT NULL AND status = ? AND finished_at < ?
     ORDER BY finished_at LIMIT ?`,
  )
  const oldest = prepareArrays(
    db,
    `SELECT seq, type, version FROM tasks INDEXED BY tasks_final WHERE finished_at IS NOT NULL AND status = ?
     ORDER BY finished_at LIMIT ?`,
  )
  const countOf = prepareArrays(db, 'SELECT coalesce(sum(n), 0) FROM counts WHERE status = ?')
  const removals = ['tasks', 'bodies', 'reports'].map((table) => db.prepare(`DELETE FROM ${table} WHERE seq = ?`))
  const forgetKeys = db.prepare(
    `DELETE FROM keys WHERE (scope, type, key) IN (SELECT scope, type, key FROM keys WHERE forget_at <= ? LIMIT ${SLICE})`,
  )

  function remove(rows: readonly unknown[], status: TaskStatus): number {
    for (const row of rows) {
      const [seq, type, version] = asArray(row) as [number, string, number]
      for (const removal of removals) removal.run(seq)
      tally.move(type, version, status, null)
    }
    return rows.length
  }

  function pruneStatus(status: TaskStatus, keep: Retention['succeeded'], limit: number): number {
    const byAge = remove(old.all(status, clock.wall() - keep.maxAgeMs, limit), status)
    const stored = Number(asArray(countOf.get(status))[0])
    const excess = Math.min(stored - byAge - keep.maxCount, limit - byAge)
    return excess > 0 ? byAge + remove(oldest.all(status, excess), status) : byAge
  }

  return {
    /** When the next task comes due, in wall milliseconds. */
    nextDue(): number {
      return Number(asArray(next.get())[0] ?? Number.POSITIVE_INFINITY)
    },
    /** Answers how many became ready. */
    makeDueReady(): number {
      const rows = due.all(clock.wall()).map(asArray) as [number, string, number, TaskStatus, number, number][]
      for (const [seq, type, version, status, readyAt, priority] of rows) {
        makeReady.run(rankOf(readyAt, priority), seq)
        tally.move(type, version, status, 'queued')
      }
      return rows.length
    },
    anyLate: () => late.get(clock.wall()) !== undefined,
    expireLate(): number {
      const now = clock.wall()
      const rows = late.all(now).map(asArray) as [number, string, number, TaskStatus][]
      for (const [seq, type, version, status] of rows) {
        expire.run(now, seq)
        tally.move(type, version, status, 'failed')
      }
      return rows.length
    },
    /** One slice of at most `limit` (and never more than a slice's worth) tasks. */
    prune(policy: Retention, limit: number): number {
      const most = Math.min(limit, SLICE)
      let left = most
      left -= pruneStatus('succeeded', policy.succeeded, left)
      if (left > 0) left -= pruneStatus('failed', policy.failed, left)
      if (left > 0) left -= pruneStatus('cancelled', policy.failed, left)
      return most - left
    },
    forgetOldKeys: () => Number(forgetKeys.run(clock.wall()).changes),
  }
}
