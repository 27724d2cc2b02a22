import { DEFAULT_BACKOFF } from '../backoff.js'
import { decideSettlement } from '../decide.js'
import type { BlockedTask, OtherInHand } from '../keeper/resident.js'
import { asArray, parseFence, prepareArrays } from './base.js'
import type { Store } from './store.js'
import type { Transact } from './transact.js'

/** The watchdog's settles: the blocking delivery is an attempt that timed out, its neighbours are released free. */
export function settleBlocked(
  store: Store,
  transact: Transact,
  blocking: string,
  others: readonly OtherInHand[],
): BlockedTask | null {
  const { db, clock, limits } = store.base
  const find = prepareArrays(
    db,
    `SELECT id, type, attempts - base_attempts, crashes - base_crashes, max_attempts FROM tasks
     WHERE seq = ? AND deliveries = ? AND status = 'running'`,
  )
  const { seq, delivery } = parseFence(blocking)
  return transact(() => {
    for (const { fence, inline } of others) store.settle(fence, { kind: 'release' }, inline)
    const row = find.get(seq, delivery)
    if (row === undefined) return null
    const [taskId, taskType, chargedAttempts, chargedCrashes, maxAttempts] = asArray(row) as [
      string,
      string,
      number,
      number,
      number,
    ]
    const budgets = { chargedAttempts, chargedCrashes, maxAttempts, maxCrashes: limits.maxCrashes }
    const settlement = decideSettlement(BLOCKED, budgets, DEFAULT_BACKOFF, clock.wall(), Math.random)
    store.settle(blocking, settlement)
    return { taskId, taskType }
  })
}

const BLOCKED = {
  kind: 'threw',
  error: {
    code: 'timed_out',
    message: 'the handler blocked the event loop past its time limit; the watchdog ended the process',
  },
  permanent: false,
  delayMs: null,
} as const
