import { WorkerError } from '../errors.js'
import type { ListFilter, QueueCounts, TaskPage } from '../queue.js'
import type { TaskStatus } from '../task.js'
import { isWaiting, taskOf, type Row } from './row.js'

/** Rows in the order of acceptance, to page through from the newest. Deleted ones are skipped and swept out when they are many. */
export interface Sequence {
  add(row: Row): void
  delete(row: Row): void
  page(filter: ListFilter): TaskPage
}

export function createSequence(): Sequence {
  let rows: Row[] = []
  const deleted = new Set<Row>()

  /** How many rows have a seq below this one. */
  function countBelow(seq: number): number {
    let low = 0
    let high = rows.length
    while (low < high) {
      const middle = (low + high) >> 1
      if (rows[middle]!.seq < seq) low = middle + 1
      else high = middle
    }
    return low
  }

  return {
    add: (row) => void rows.push(row),
    delete(row) {
      deleted.add(row)
      if (deleted.size * 2 <= rows.length) return
      rows = rows.filter((kept) => !deleted.has(kept))
      deleted.clear()
    },
    page({ status, type, limit, cursor }) {
      const found: Row[] = []
      const end = cursor === undefined ? rows.length : countBelow(parseCursor(cursor))
      for (let i = end - 1; i >= 0 && found.length < limit; i--) {
        const row = rows[i]!
        if (status !== undefined && row.status !== status) continue
        if (type !== undefined && row.type !== type) continue
        if (!deleted.has(row)) found.push(row)
      }
      const last = found.length < limit ? undefined : found.at(-1)
      return { tasks: found.map(taskOf), cursor: last ? `s${last.seq}` : null }
    },
  }
}

function parseCursor(cursor: string): number {
  if (!/^s\d{1,15}$/.test(cursor)) {
    throw new WorkerError('bad_cursor', 'the cursor is not one that a page gave')
  }
  return Number(cursor.slice(1))
}

export function countRows(rows: Iterable<Row>, paused: ReadonlySet<string>): QueueCounts {
  // a map while counting: `constructor` is a valid type
  const byType = new Map<string, Partial<Record<TaskStatus, number>>>()
  const waiting = new Map<string, { type: string; version: number; count: number }>()
  let oldestReadyAt: number | null = null
  let suspects = 0
  for (const row of rows) {
    const { type, version, status } = row
    const ofType = byType.get(type) ?? {}
    ofType[status] = (ofType[status] ?? 0) + 1
    byType.set(type, ofType)
    if (isWaiting(row)) {
      const key = `${version} ${type}`
      const entry = waiting.get(key) ?? { type, version, count: 0 }
      entry.count++
      waiting.set(key, entry)
    }
    if (status !== 'queued') continue
    if (row.suspect) suspects++
    else if (!paused.has(type)) oldestReadyAt = Math.min(oldestReadyAt ?? row.readyAt, row.readyAt)
  }
  return {
    byType: Object.fromEntries(byType),
    waiting: [...waiting.values()],
    oldestReadyAt,
    paused: [...paused].toSorted(),
    suspects,
  }
}
