import type { Want } from '../queue.js'
import { createHeap, type Heap } from './heap.js'
import { isWaiting, type Change, type Row } from './row.js'

/** The rows of a memory queue and their indexes. Which index a row is in follows from the row, so `update` is the only way to change one. */
export type Table = ReturnType<typeof createTable>

const byRank = (a: Row, b: Row) => a.rank < b.rank || (a.rank === b.rank && a.seq < b.seq)
const byReadyAt = (a: Row, b: Row) => a.readyAt < b.readyAt
const byExpiry = (a: Row, b: Row) => a.expiresAt! < b.expiresAt!
const byLease = (a: Row, b: Row) => a.lease!.until < b.lease!.until
const byFinish = (a: Row, b: Row) =>
  a.finishedAt! < b.finishedAt! || (a.finishedAt === b.finishedAt && a.seq < b.seq)

export function createTable() {
  const byId = new Map<string, Row>()
  const byFence = new Map<string, Row>()
  /** Claimable, by `type` and `version`. */
  const ready = new Map<string, Map<number, Heap<Row>>>()
  const suspects = createHeap<Row>(byRank)
  /** Scheduled and retrying. */
  const due = createHeap<Row>(byReadyAt)
  const expiring = createHeap<Row>(byExpiry)
  const leased = createHeap<Row>(byLease)
  const succeeded = createHeap<Row>(byFinish)
  const failed = createHeap<Row>(byFinish)
  let waiting = 0

  function readyHeap(type: string, version: number): Heap<Row> {
    const versions = ready.get(type) ?? new Map<number, Heap<Row>>()
    ready.set(type, versions)
    const heap = versions.get(version) ?? createHeap<Row>(byRank)
    versions.set(version, heap)
    return heap
  }

  function placeOf(row: Row): Heap<Row> {
    switch (row.status) {
      case 'scheduled':
      case 'retrying':
        return due
      case 'queued':
        return row.suspect ? suspects : readyHeap(row.type, row.version)
      case 'running':
        return leased
      case 'succeeded':
        return succeeded
      case 'failed':
      case 'cancelled':
        return failed
    }
  }

  function enter(row: Row): void {
    byId.set(row.id, row)
    placeOf(row).add(row)
    if (row.lease) byFence.set(row.lease.fence, row)
    if (canExpire(row)) expiring.add(row)
    if (isWaiting(row)) waiting++
  }

  function leave(row: Row): void {
    placeOf(row).remove(row)
    if (row.lease) byFence.delete(row.lease.fence)
    if (canExpire(row)) expiring.remove(row)
    if (isWaiting(row)) waiting--
  }

  /** The claimable row of the oldest rank among these wants. */
  function oldest(wants: readonly Want[]): Row | undefined {
    let best: Row | undefined
    for (const { type, versions } of wants) {
      const heaps = ready.get(type)
      for (const version of versions) {
        const row = heaps?.get(version)?.peek()
        if (row && (!best || byRank(row, best))) best = row
      }
    }
    return best
  }

  return {
    byId: byId as ReadonlyMap<string, Row>,
    byFence: byFence as ReadonlyMap<string, Row>,
    suspects,
    due,
    expiring,
    leased,
    succeeded,
    failed,
    /** Tasks that are scheduled, queued or retrying. */
    waiting: () => waiting,
    insert: enter,
    update(row: Row, change: Change): void {
      leave(row)
      Object.assign(row, change)
      enter(row)
    },
    delete(row: Row): void {
      leave(row)
      byId.delete(row.id)
    },
    oldest,
  }
}

function canExpire(row: Row): boolean {
  return row.expiresAt !== null && row.deliveries === 0 && isWaiting(row)
}
