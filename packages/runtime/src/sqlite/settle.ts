import type { Settlement, TaskStatus } from '../task.js'
import { asArray, parseFence, prepareArrays, rankOf, type Fence, type StoreBase } from './base.js'

type Running = {
  readonly type: string
  readonly version: number
  readonly cancelRequested: boolean
  readonly priority: number
}

const STILL_MINE = `seq = ? AND deliveries = ? AND status = 'running'`
const LET_GO = 'owner = NULL, lease_until = NULL'

/** What a settlement other than success writes. Nulls leave error and reason as they are. */
interface Ending {
  readonly status: TaskStatus
  readonly charge: { attempts?: 1; crashes?: 1; releases?: 1; snoozes?: 1 }
  /** Null: as it was. */
  readonly suspect: boolean | null
  readonly readyAt?: number
  readonly error?: { readonly code: string; readonly message: string }
  readonly reason?: string
}

/** Ending deliveries. The fence is in each statement: what does not match changes nothing. */
export function createSettle(base: StoreBase) {
  const { db, clock, tally, inHand } = base
  const succeed = db.prepare(
    `UPDATE tasks SET status = 'succeeded', ${LET_GO}, suspect = 0, cancel_requested = 0, result = ?, error_code = NULL, error_message = NULL,
     finished_at = ? WHERE ${STILL_MINE}`,
  )
  const current = prepareArrays(
    db,
    `SELECT type, version, cancel_requested, priority FROM tasks WHERE ${STILL_MINE}`,
  )
  const end = db.prepare(
    `UPDATE tasks SET status = ?, ${LET_GO}, suspect = coalesce(?, suspect), attempts = attempts + ?, crashes = crashes + ?, releases = releases + ?,
     snoozes = snoozes + ?, ready_at = coalesce(?, ready_at), rank = coalesce(?, rank), error_code = coalesce(?, error_code),
     error_message = coalesce(?, error_message), failure_reason = ?, finished_at = ?,
     cancel_requested = CASE WHEN ? THEN 0 ELSE cancel_requested END WHERE ${STILL_MINE}`,
  )

  function currentOf(fence: Fence): Running | null {
    const row = current.get(fence.seq, fence.delivery)
    if (row === undefined) return null
    const [type, version, cancelRequested, priority] = asArray(row) as [string, number, number, number]
    return { type, version, cancelRequested: cancelRequested === 1, priority }
  }

  function write(fence: Fence, task: Running, ending: Ending): void {
    const { status, charge, suspect, readyAt = null, error, reason } = ending
    const final = status === 'failed' || status === 'cancelled'
    const { attempts = 0, crashes = 0, releases = 0, snoozes = 0 } = charge
    const mark = suspect === null ? null : Number(suspect)
    const rank = readyAt === null ? null : rankOf(readyAt, task.priority)
    const ended = [
      error?.code ?? null,
      error?.message ?? null,
      reason ?? null,
      final ? clock.wall() : null,
      Number(final),
    ]
    end.run(
      status,
      mark,
      attempts,
      crashes,
      releases,
      snoozes,
      readyAt,
      rank,
      ...ended,
      fence.seq,
      fence.delivery,
    )
    tally.move(task.type, task.version, 'running', status)
  }

  function succeeded(fenceName: string, result: string): 'settled' | 'stale' {
    const fence = parseFence(fenceName)
    const task = inHand.get(fenceName) ?? currentOf(fence)
    if (!task) return 'stale'
    inHand.delete(fenceName)
    const { changes } = succeed.run(result, clock.wall(), fence.seq, fence.delivery)
    if (changes === 0) return 'stale'
    tally.move(task.type, task.version, 'running', 'succeeded')
    return 'settled'
  }

  /** With `suspect` the task is marked as one that may have killed its worker. */
  function settle(fenceName: string, settlement: Settlement, suspect = false): 'settled' | 'stale' {
    if (settlement.kind === 'succeeded') return succeeded(fenceName, settlement.result)
    const fence = parseFence(fenceName)
    inHand.delete(fenceName)
    const task = currentOf(fence)
    if (!task) return 'stale'
    write(
      fence,
      task,
      endingOf(settlement, { now: clock.wall(), cancelRequested: task.cancelRequested, suspect }),
    )
    return 'settled'
  }
  return settle
}

function endingOf(
  settlement: Exclude<Settlement, { kind: 'succeeded' }>,
  { now, cancelRequested, suspect }: { now: number; cancelRequested: boolean; suspect: boolean },
): Ending {
  const ending = plainEnding(settlement, now)
  const goesOn = ending.status !== 'failed' && ending.status !== 'cancelled'
  // a task that somebody asked to cancel never starts again, however its delivery ended
  if (cancelRequested && goesOn) return { ...plainEnding({ kind: 'cancelled' }, now), suspect: false }
  // a suspect whose own host died is not cleared by that; any other end clears it
  const stays = settlement.kind === 'crash' && !suspect
  return { ...ending, suspect: stays ? null : suspect && goesOn }
}

const CANCELLED = { code: 'cancelled', message: 'cancelled while it ran' }

function plainEnding(
  settlement: Exclude<Settlement, { kind: 'succeeded' }>,
  now: number,
): Omit<Ending, 'suspect'> {
  switch (settlement.kind) {
    case 'retry':
      return {
        status: 'retrying',
        charge: { attempts: 1 },
        readyAt: settlement.retryAt,
        error: settlement.error,
      }
    case 'failed': {
      const charge = settlement.charge === 'attempt' ? ({ attempts: 1 } as const) : ({ crashes: 1 } as const)
      return { status: 'failed', charge, error: settlement.error, reason: settlement.reason }
    }
    case 'crash':
      return { status: 'queued', charge: { crashes: 1 }, error: settlement.error }
    case 'release':
      return { status: 'queued', charge: { releases: 1 } }
    case 'snooze':
      return {
        status: settlement.until > now ? 'scheduled' : 'queued',
        charge: { snoozes: 1 },
        readyAt: settlement.until,
      }
    case 'cancelled':
      // counted by its end, like a success: no budget is touched
      return { status: 'cancelled', charge: {}, error: CANCELLED }
  }
}
