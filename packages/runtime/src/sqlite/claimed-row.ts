import type { Claim } from '../queue.js'
import type { Delivery, NewTask } from '../task.js'
import { fenceText } from './base.js'
import { readTask, TASK_COLUMN } from './task-row.js'

/**
 * A delivery on its way from the keeper to the main thread: the row's columns as they are, for a list without names is written and read several
 * times as fast. The main thread makes a `Delivery` of it.
 */
export interface ClaimedRow {
  readonly fence: string
  readonly leaseUntil: number
  readonly charged: Delivery['charged']
  readonly checkpoint: string | null
  readonly intact: boolean
  /** In the order of TASK_COLUMNS. */
  readonly task: readonly unknown[]
}

export interface ClaimedRows {
  readonly rows: readonly ClaimedRow[]
  readonly suspects: number
}

export const NOTHING_CLAIMED: ClaimedRows = { rows: [], suspects: 0 }

interface Facts {
  readonly baseAttempts: number
  readonly baseCrashes: number
  readonly checkpoint: string | null
  readonly now: number
  readonly leaseUntil: number
  readonly seq: number
}

/** Of a row as it was before the claim. */
export function claimedRow(row: readonly unknown[], facts: Facts): ClaimedRow {
  const task = row.slice(0, TASK_COLUMN.length)
  const deliveries = Number(task[TASK_COLUMN.deliveries]) + 1
  task[TASK_COLUMN.deliveries] = deliveries
  task[TASK_COLUMN.status] = 'running'
  task[TASK_COLUMN.startedAt] = facts.now
  return {
    fence: fenceText({ seq: facts.seq, delivery: deliveries }),
    leaseUntil: facts.leaseUntil,
    charged: {
      attempts: Number(task[TASK_COLUMN.attempts]) - facts.baseAttempts,
      crashes: Number(task[TASK_COLUMN.crashes]) - facts.baseCrashes,
    },
    checkpoint: facts.checkpoint,
    intact: true,
    task,
  }
}

/** Of a task that is stored as running by its submit. */
export function handedOverRow(
  task: NewTask,
  facts: { readonly seq: number; readonly now: number; readonly leaseUntil: number },
): ClaimedRow {
  const { id, type, version, payload, priority, runAt, maxAttempts, timeoutMs, expiresAt } = task
  const given = [id, type, version, payload, priority, runAt, maxAttempts, timeoutMs, expiresAt]
  const counters = [0, 0, 0, 0, 1]
  const nothingYet = [null, null, null, null, null, null, null, null]
  return {
    fence: fenceText({ seq: facts.seq, delivery: 1 }),
    leaseUntil: facts.leaseUntil,
    charged: { attempts: 0, crashes: 0 },
    checkpoint: null,
    intact: true,
    task: [...given, ...counters, 'running', 0, ...nothingYet, facts.now, facts.now, null, facts.now],
  }
}

/** In the main thread: what the claim answers. */
export function claimOf({ rows, suspects }: ClaimedRows): Claim {
  return {
    deliveries: rows.map(({ task, ...facts }): Delivery => ({ ...facts, task: readTask(task) })),
    suspects,
  }
}
