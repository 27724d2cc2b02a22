import type { DatabaseSync, StatementSync } from 'node:sqlite'
import type { Clock } from '../clock.js'
import type { QueueLimits } from '../queue.js'
import type { TaskStatus } from '../task.js'
import type { Tally } from './tally.js'

/** What every part of the store works with: one connection, one owner. */
export interface StoreBase {
  readonly db: DatabaseSync
  readonly clock: Clock
  readonly limits: QueueLimits
  /** This process's name among those that share the file (see `newOwnerName`). */
  readonly owner: string
  /** What this owner has claimed and not settled, by fence: what a settle must know without reading the row. */
  readonly inHand: Map<string, { readonly type: string; readonly version: number }>
  readonly tally: Tally
}

/** A task in hand is named by its row and its delivery number: `<seq>:<deliveries>`. */
export interface Fence {
  readonly seq: number
  readonly delivery: number
}

export function fenceText(fence: Fence): string {
  return `${fence.seq}:${fence.delivery}`
}

/** Anything that is no fence of ours becomes one that no task has. */
export function parseFence(text: string): Fence {
  const colon = text.indexOf(':')
  const seq = Number(text.slice(0, colon))
  const delivery = Number(text.slice(colon + 1))
  // ' 1:1', '01:1' and the like are numbers too, but no fences
  return fenceText({ seq, delivery }) === text ? { seq, delivery } : { seq: -1, delivery: -1 }
}

/** Columns of a row as arrays: half the cost of objects, on paths that run for every task. */
export function prepareArrays(db: DatabaseSync, sql: string): StatementSync {
  const statement = db.prepare(sql)
  statement.setReturnArrays(true)
  return statement
}

/** A row of a statement made by `prepareArrays`; node's types know only objects. */
export function asArray(row: unknown): readonly unknown[] {
  return row as readonly unknown[]
}

export const RANK_PER_PRIORITY_MS = 60_000

export function rankOf(readyAt: number, priority: number): number {
  return readyAt - priority * RANK_PER_PRIORITY_MS
}

export const WAITING: readonly TaskStatus[] = ['scheduled', 'queued', 'retrying']
