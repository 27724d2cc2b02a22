import type { Claim, ClaimRequest, Want } from '../queue.js'
import { asArray, fenceText, prepareArrays, type StoreBase } from './base.js'
import { rowHash } from './accept.js'
import { createReadTask, TASK_COLUMNS } from './read.js'
import type { Delivery } from '../task.js'

interface Candidate {
  readonly seq: number
  readonly rank: number
  readonly type: string
}

/** Claiming. Runs inside the batch's transaction, after the batch's submits and settles. */
export function createDeliver(base: StoreBase, isPaused: (type: string) => boolean) {
  const { db, clock, limits, tally, owner, inHand } = base
  const readTask = createReadTask()
  const ready = prepareArrays(
    db,
    `SELECT seq, rank FROM tasks INDEXED BY tasks_ready
     WHERE type = ? AND version = ? AND status = 'queued' AND suspect = 0 ORDER BY rank, seq LIMIT ?`,
  )
  const suspects = prepareArrays(
    db,
    `SELECT seq, rank, type, version FROM tasks INDEXED BY tasks_suspect WHERE status = 'queued' AND suspect = 1 ORDER BY rank, seq`,
  )
  const anySuspect = prepareArrays(
    db,
    `SELECT 1 FROM tasks INDEXED BY tasks_suspect WHERE status = 'queued' AND suspect = 1 LIMIT 1`,
  )
  const load = prepareArrays(
    db,
    `SELECT ${TASK_COLUMNS}, base_attempts, base_crashes, hash, checkpoint
     FROM tasks AS t JOIN bodies AS b ON b.seq = t.seq LEFT JOIN reports AS r ON r.seq = t.seq WHERE t.seq = ?`,
  )
  const take = db.prepare(
    `UPDATE tasks SET status = 'running', owner = ?, lease_until = ?, started_at = ?, deliveries = deliveries + 1
     WHERE seq = ?`,
  )

  function candidates(want: Want, limit: number): Candidate[] {
    if (isPaused(want.type)) return []
    const found: Candidate[] = []
    for (const version of want.versions) {
      for (const row of ready.all(want.type, version, limit)) {
        const [seq, rank] = asArray(row)
        found.push({ seq: Number(seq), rank: Number(rank), type: want.type })
      }
    }
    return want.versions.length === 1 ? found : found.toSorted(byRank).slice(0, limit)
  }

  function suspectsFor(wants: readonly Want[]): Candidate[] {
    if (!anySuspect.get()) return []
    const versions = new Map(wants.map((want) => [want.type, new Set(want.versions)]))
    return suspects
      .all()
      .map((row) => asArray(row) as readonly [number, number, string, number])
      .filter(([, , type, version]) => versions.get(type)?.has(version) && !isPaused(type))
      .map(([seq, rank, type]) => ({ seq, rank, type }))
  }

  function deliver(candidate: Candidate, now: number, leaseUntil: number): Delivery {
    const row = asArray(load.get(candidate.seq))
    take.run(owner, leaseUntil, now, candidate.seq)
    const task = { ...readTask(row), status: 'running' as const, startedAt: now }
    tally.move(task.type, task.version, 'queued', 'running')
    const deliveries = task.deliveries + 1
    const [baseAttempts, baseCrashes, hash, checkpoint] = row.slice(-4) as [
      number,
      number,
      string,
      string | null,
    ]
    const fence = fenceText({ seq: candidate.seq, delivery: deliveries })
    inHand.set(fence, { type: task.type, version: task.version })
    return {
      fence,
      task: { ...task, deliveries },
      charged: { attempts: task.attempts - baseAttempts, crashes: task.crashes - baseCrashes },
      checkpoint,
      intact: hash === rowHash(task.id, task.type, task.version, task.payload),
      leaseUntil,
    }
  }

  return function claim({ wants, max, alone = false }: ClaimRequest): Claim {
    const waitingSuspects = suspectsFor(wants)
    const chosen = alone
      ? waitingSuspects.slice(0, 1)
      : wants
          .filter((want) => want.free > 0)
          .flatMap((want) => candidates(want, Math.min(want.free, max)))
          .toSorted(byRank)
          .slice(0, max)
    const now = clock.wall()
    const leaseUntil = clock.monotonic() + limits.leaseMs
    return {
      deliveries: chosen.map((candidate) => deliver(candidate, now, leaseUntil)),
      suspects: waitingSuspects.length - (alone ? chosen.length : 0),
    }
  }
}

function byRank(a: Candidate, b: Candidate): number {
  return a.rank - b.rank || a.seq - b.seq
}
