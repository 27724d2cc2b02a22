import type { ClaimRequest } from '../queue.js'
import type { NewTask } from '../task.js'
import { prepareArrays, type StoreBase } from './base.js'
import { type ClaimedRow, handedOverRow } from './claimed-row.js'

/**
 * Handing over: a task that is submitted while a claim waits for it, with nothing before it in the queue, is stored as running at once: one
 * write in place of two, and no look at the ready index. What it answers is what insert, claim and read would have answered.
 *
 * It is done for a whole batch or not at all: only where everything submitted fits what the claim wants, so that no order among them is lost.
 */
export interface HandOver {
  readonly owner: string
  readonly leaseUntil: number
  readonly rows: readonly ClaimedRow[]
  takes(task: NewTask, now: number): boolean
  took(task: NewTask, seq: number, now: number): void
}

export function createHandOver(base: StoreBase, isPaused: (type: string) => boolean) {
  const { db, clock, limits, owner, inHand } = base
  const anyReady = prepareArrays(
    db,
    `SELECT 1 FROM tasks INDEXED BY tasks_ready WHERE type = ? AND version = ? AND status = 'queued' AND suspect = 0 LIMIT 1`,
  )
  const anySuspect = prepareArrays(
    db,
    `SELECT 1 FROM tasks INDEXED BY tasks_suspect WHERE status = 'queued' AND suspect = 1 LIMIT 1`,
  )

  function nothingBefore(request: ClaimRequest): boolean {
    if (anySuspect.get()) return false
    return request.wants.every(
      ({ type, versions }) => !isPaused(type) && versions.every((version) => !anyReady.get(type, version)),
    )
  }

  /** Null where the batch's tasks must take the usual way. */
  return function prepare(request: ClaimRequest, tasks: readonly NewTask[]): HandOver | null {
    if (request.alone || !fits(request, tasks) || !nothingBefore(request)) return null
    const versions = new Map(request.wants.map((want) => [want.type, want.versions]))
    const rows: ClaimedRow[] = []
    const leaseUntil = clock.monotonic() + limits.leaseMs
    return {
      owner,
      leaseUntil,
      rows,
      takes: ({ type, version, runAt, expiresAt }, now) =>
        runAt <= now &&
        (expiresAt === null || expiresAt > now) &&
        (versions.get(type)?.includes(version) ?? false),
      took(task, seq, now) {
        const row = handedOverRow(task, { seq, now, leaseUntil })
        inHand.set(row.fence, { type: task.type, version: task.version })
        rows.push(row)
      },
    }
  }
}

function fits({ wants, max }: ClaimRequest, tasks: readonly NewTask[]): boolean {
  if (tasks.length > max) return false
  const left = new Map(wants.map(({ type, free }) => [type, free]))
  for (const { type } of tasks) left.set(type, (left.get(type) ?? Number.POSITIVE_INFINITY) - 1)
  return [...left.values()].every((free) => free >= 0)
}
