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
  const next = prepareArrays(
    db,
    `SELECT min(ready_at) FROM tasks INDEXED BY tasks_due WHERE status IN ('scheduled', 'retrying')`,
  )
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
  const oldest = prepareArrays(
    db,
    `SELECT seq, type, version, status, finished_at FROM tasks INDEXED BY tasks_final WHERE finished_at IS NOT NULL AND status = ?
     ORDER BY finished_at, seq LIMIT ?`,
  )
  const endedBefore = prepareArrays(
    db,
    `SELECT count(*) FROM (SELECT 1 FROM tasks INDEXED BY tasks_final
     WHERE finished_at IS NOT NULL AND status = ? AND finished_at < ? LIMIT ?)`,
  )
  const countOf = prepareArrays(db, 'SELECT coalesce(sum(n), 0) FROM counts WHERE status = ?')
  const removals = ['tasks', 'bodies', 'reports'].map((table) =>
    db.prepare(`DELETE FROM ${table} WHERE seq = ?`),
  )
  const forgetKeys = db.prepare(
    `DELETE FROM keys WHERE (scope, type, key) IN (SELECT scope, type, key FROM keys WHERE forget_at <= ? LIMIT ${SLICE})`,
  )

  function remove({ seq, type, version, status }: Final): void {
    for (const removal of removals) removal.run(seq)
    tally.move(type, version, status, null)
  }

  function storedOf(statuses: readonly TaskStatus[]): number {
    return statuses.reduce((sum, status) => sum + Number(asArray(countOf.get(status))[0]), 0)
  }

  /** The old and the surplus both begin with the oldest: the longer of the two is all. */
  function countPast(statuses: readonly TaskStatus[], keep: Retention['succeeded'], limit: number): number {
    const cutoff = clock.wall() - keep.maxAgeMs
    const old = statuses.map((status) => Number(asArray(endedBefore.get(status, cutoff, limit))[0]))
    return Math.max(
      old.reduce((sum, each) => sum + each, 0),
      storedOf(statuses) - keep.maxCount,
    )
  }

  /** The oldest of these statuses that are past their age, or beyond their number together; at most `limit`. */
  function expendable(statuses: readonly TaskStatus[], keep: Retention['succeeded'], limit: number): Final[] {
    const stored = storedOf(statuses)
    const cutoff = clock.wall() - keep.maxAgeMs
    const candidates = statuses.flatMap((status) => oldest.all(status, limit).map(finalOf))
    return candidates
      .toSorted(byEnd)
      .filter(({ finishedAt }, index) => finishedAt < cutoff || index < stored - keep.maxCount)
      .slice(0, limit)
  }

  return {
    /** When the next task comes due, in wall milliseconds. */
    nextDue(): number {
      return Number(asArray(next.get())[0] ?? Number.POSITIVE_INFINITY)
    },
    /** Answers how many became ready. */
    makeDueReady(): number {
      const rows = due.all(clock.wall()).map(asArray) as [
        number,
        string,
        number,
        TaskStatus,
        number,
        number,
      ][]
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
      const succeeded = expendable(['succeeded'], policy.succeeded, most)
      const failed = expendable(['failed', 'cancelled'], policy.failed, most)
      const chosen = [...succeeded, ...failed].toSorted(byEnd).slice(0, most)
      for (const task of chosen) remove(task)
      return chosen.length
    },
    /** How many `prune` would delete in all, up to `limit`. */
    countExpendable(policy: Retention, limit: number): number {
      const succeeded = countPast(['succeeded'], policy.succeeded, limit)
      return Math.min(limit, succeeded + countPast(['failed', 'cancelled'], policy.failed, limit))
    },
    forgetOldKeys: () => Number(forgetKeys.run(clock.wall()).changes),
  }
}

interface Final {
  readonly seq: number
  readonly type: string
  readonly version: number
  readonly status: TaskStatus
  readonly finishedAt: number
}

function finalOf(row: unknown): Final {
  const [seq, type, version, status, finishedAt] = asArray(row) as [
    number,
    string,
    number,
    TaskStatus,
    number,
  ]
  return { seq, type, version, status, finishedAt }
}

function byEnd(a: Final, b: Final): number {
  return a.finishedAt - b.finishedAt || a.seq - b.seq
}
