import type { ClaimRequest, Want } from '../queue.js'
import type { NewTask } from '../task.js'
import { asArray, prepareArrays, type StoreBase } from './base.js'
import { type ClaimedRow, type ClaimedRows, handedOverRow } from './claimed-row.js'

/**
 * Handing over: a task that is submitted while claims wait for it is stored as running at once: one write in place of two, and no look at the
 * ready index. What it answers is what insert, claim and read would have answered.
 *
 * What was ready before goes first; where that and the batch's tasks are not known to fit the claims together, nothing is handed over, so that
 * the order of ranks decides.
 */
export interface HandOver {
  readonly owner: string
  readonly leaseUntil: number
  takes(task: NewTask, now: number): boolean
  took(task: NewTask, seq: number, now: number): void
  /** What each claim was given, in the order of the requests. */
  given(): readonly ClaimedRows[]
}

/** A claim's places while it is filled. */
interface Places {
  left: number
  readonly free: ReadonlyMap<string, { readonly versions: readonly number[]; left: number }>
  readonly rows: ClaimedRow[]
}

interface Queued {
  readonly claim: (request: ClaimRequest) => ClaimedRows
  readonly isPaused: (type: string) => boolean
}

export function createHandOver(base: StoreBase, { claim, isPaused }: Queued) {
  const { db, clock, limits, owner, inHand } = base
  const ready = prepareArrays(
    db,
    `SELECT count(*) FROM (SELECT 1 FROM tasks INDEXED BY tasks_ready
     WHERE type = ? AND version = ? AND status = 'queued' AND suspect = 0 LIMIT ?)`,
  )
  const anySuspect = prepareArrays(
    db,
    `SELECT 1 FROM tasks INDEXED BY tasks_suspect WHERE status = 'queued' AND suspect = 1 LIMIT 1`,
  )

  /** How many tasks of each wanted type wait already; no more than `limit` of a version are counted. */
  function countReady(wants: readonly Want[], limit: number): Map<string, number> {
    const counts = new Map<string, number>()
    for (const { type, versions } of wants) {
      if (counts.has(type)) continue
      const each = versions.map((version) => Number(asArray(ready.get(type, version, limit))[0]))
      counts.set(type, sum(each))
    }
    return counts
  }

  /** Whether the order of ranks is sure to be kept, whatever the ranks are. */
  function keepsOrder(
    requests: readonly ClaimRequest[],
    tasks: readonly NewTask[],
  ): 'nothing_ready' | 'all_fit' | null {
    const room = sum(requests.map(({ max }) => max))
    const wants = requests.flatMap((request) => request.wants)
    const needed = countReady(wants, room + 1)
    const nothingReady = sum([...needed.values()]) === 0
    // as if each had been submitted by itself: it goes to the claim that waits
    if (nothingReady) return 'nothing_ready'
    for (const { type } of tasks) needed.set(type, (needed.get(type) ?? 0) + 1)
    const free = new Map<string, number>()
    for (const want of wants) free.set(want.type, (free.get(want.type) ?? 0) + want.free)
    const allFit = [...free].every(([type, places]) => (needed.get(type) ?? 0) <= places)
    return allFit && sum([...needed.values()]) <= room ? 'all_fit' : null
  }

  function giveReady(requests: readonly ClaimRequest[], places: readonly Places[]): void {
    for (const [index, request] of requests.entries()) {
      for (const row of claim(request).rows) take(places[index]!, row, String(row.task[1]))
    }
  }

  /** Null where the batch's tasks must take the usual way. */
  return function prepare(requests: readonly ClaimRequest[], tasks: readonly NewTask[]): HandOver | null {
    if (requests.some(({ alone, wants }) => alone || wants.some(({ type }) => isPaused(type)))) return null
    if (anySuspect.get()) return null
    const order = keepsOrder(requests, tasks)
    if (!order) return null
    const places = requests.map(placesOf)
    if (order === 'all_fit') giveReady(requests, places)
    const leaseUntil = clock.monotonic() + limits.leaseMs
    return {
      owner,
      leaseUntil,
      takes: (task, now) =>
        task.runAt <= now &&
        (task.expiresAt === null || task.expiresAt > now) &&
        places.some((each) => hasRoom(each, task)),
      took(task, seq, now) {
        const row = handedOverRow(task, { seq, now, leaseUntil })
        inHand.set(row.fence, { type: task.type, version: task.version })
        take(
          places.find((each) => hasRoom(each, task))!,
          row,
          task.type,
        )
      },
      given: () => places.map(({ rows }) => ({ rows, suspects: 0 })),
    }
  }
}

function placesOf({ wants, max }: ClaimRequest): Places {
  const free = new Map(wants.map(({ type, versions, free: left }) => [type, { versions, left }]))
  return { left: max, free, rows: [] }
}

function hasRoom({ left, free }: Places, { type, version }: NewTask): boolean {
  const ofType = free.get(type)
  return left > 0 && ofType !== undefined && ofType.left > 0 && ofType.versions.includes(version)
}

function take(places: Places, row: ClaimedRow, type: string): void {
  places.rows.push(row)
  places.left--
  const ofType = places.free.get(type)
  if (ofType) ofType.left--
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0)
}
