import type { ClaimRequest, Want } from '../queue.js'
import { rowHash } from './accept.js'
import { asArray, prepareArrays, type StoreBase } from './base.js'
import { type ClaimedRow, claimedRow, type ClaimedRows } from './claimed-row.js'
import { FROM_TASKS, TASK_COLUMN, TASK_COLUMNS, withinOneMessage } from './task-row.js'

const EXTRA_COLUMNS = 'base_attempts, base_crashes, hash, checkpoint, t.seq, t.rank'

/** So many of the largest payloads always fit into one message. */
const FEW = 64

/** A row of the tables, with the extra columns behind it. */
type Row = readonly unknown[]

/** Claiming. Runs inside the batch's transaction, after the batch's submits and settles. */
export function createDeliver(base: StoreBase, isPaused: (type: string) => boolean) {
  const { db, clock, limits, tally, owner, inHand } = base
  const ready = prepareArrays(
    db,
    `SELECT ${TASK_COLUMNS}, ${EXTRA_COLUMNS} FROM tasks AS t INDEXED BY tasks_ready JOIN bodies AS b ON b.seq = t.seq
     LEFT JOIN reports AS r ON r.seq = t.seq
     WHERE t.type = ? AND t.version = ? AND t.status = 'queued' AND t.suspect = 0 ORDER BY t.rank, t.seq LIMIT ?`,
  )
  const suspects = prepareArrays(
    db,
    `SELECT seq, type, version FROM tasks INDEXED BY tasks_suspect WHERE status = 'queued' AND suspect = 1 ORDER BY rank, seq`,
  )
  const anySuspect = prepareArrays(
    db,
    `SELECT 1 FROM tasks INDEXED BY tasks_suspect WHERE status = 'queued' AND suspect = 1 LIMIT 1`,
  )
  const one = prepareArrays(db, `SELECT ${TASK_COLUMNS}, ${EXTRA_COLUMNS} ${FROM_TASKS} WHERE t.seq = ?`)
  const take = db.prepare(
    `UPDATE tasks SET status = 'running', owner = ?, lease_until = ?, started_at = ?, deliveries = deliveries + 1
     WHERE seq = ?`,
  )

  function candidates(want: Want, limit: number): Row[] {
    if (isPaused(want.type)) return []
    const found = want.versions.flatMap((version) => {
      const args = [want.type, version, limit] as const
      return limit <= FEW ? ready.all(...args).map(asArray) : withinOneMessage(ready.iterate(...args))
    })
    return want.versions.length === 1 ? found : found.toSorted(byRank).slice(0, limit)
  }

  /** Rows of suspects that the wants could have. */
  function suspectsFor(wants: readonly Want[]): number[] {
    if (!anySuspect.get()) return []
    const versions = new Map(wants.map((want) => [want.type, new Set(want.versions)]))
    return suspects
      .all()
      .map((row) => asArray(row) as readonly [number, string, number])
      .filter(([, type, version]) => versions.get(type)?.has(version) && !isPaused(type))
      .map(([seq]) => seq)
  }

  function deliver(row: Row, now: number, leaseUntil: number): ClaimedRow {
    const [baseAttempts, baseCrashes, hash, checkpoint, seq] = row.slice(-6) as [
      number,
      number,
      string,
      string | null,
      number,
    ]
    const [id, type, version, payload] = row as [string, string, number, string]
    take.run(owner, leaseUntil, now, seq)
    tally.move(type, version, 'queued', 'running')
    const claimed = claimedRow(row, { baseAttempts, baseCrashes, checkpoint, now, leaseUntil, seq })
    inHand.set(claimed.fence, { type, version })
    return { ...claimed, intact: hash === rowHash(id, type, version, payload) }
  }

  return function claim({ wants, max, alone = false }: ClaimRequest): ClaimedRows {
    const waitingSuspects = suspectsFor(wants)
    const chosen = alone
      ? waitingSuspects.slice(0, 1).map((seq) => asArray(one.get(seq)))
      : wants
          .filter((want) => want.free > 0)
          .flatMap((want) => candidates(want, Math.min(want.free, max)))
          .toSorted(byRank)
          .slice(0, max)
    const now = clock.wall()
    const alive = chosen.filter((row) => !isLate(row, now))
    const given = alive.length <= FEW ? alive : withinOneMessage(alive)
    const leaseUntil = clock.monotonic() + limits.leaseMs
    return {
      rows: given.map((row) => deliver(row, now, leaseUntil)),
      suspects: waitingSuspects.length - (alone ? chosen.length : 0),
    }
  }
}

/** There may be more expired ones than a slice of the upkeep takes; it fails the rest soon. */
function isLate(row: Row, now: number): boolean {
  const expiresAt = row[TASK_COLUMN.expiresAt] as number | null
  return expiresAt !== null && expiresAt <= now && row[TASK_COLUMN.deliveries] === 0
}

/** By rank, then by seq: the last two columns. */
function byRank(a: Row, b: Row): number {
  return Number(a.at(-1)) - Number(b.at(-1)) || Number(a.at(-2)) - Number(b.at(-2))
}
