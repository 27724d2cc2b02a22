/**
 * READ FIRST: the life of one delivery, top to bottom.
 *
 * ```
 *  claim (loop.ts) ─► check the lease and the row ─► perform (host: parse, migrate, validate, run, validate the result)
 *                       ─► decide (pure) ─► settle (under the fence) ─► report (metrics, one log line, whoever waits)
 * ```
 *
 * `perform` answers what happened and never throws; settling stands outside of it, so that a fault of the queue is never booked on the
 * handler; metrics, logs and waiters come after the settle, so that nobody hears of what may not have been stored.
 */
import type { Logger } from 'pino'
import { crashPoint } from './crash-point.js'
import type { Clock } from './clock.js'
import { createDeadline, type Deadline } from './deadline.js'
import { decideSettlement } from './decide.js'
import type { Outcome, Work, WorkReports } from './host/host.js'
import type { Keeper } from './keeper/keeper.js'
import type { Metrics, ProcessedStatus } from './metrics.js'
import type { QueueDriver } from './queue.js'
import type { KnownType } from './registry.js'
import { createReports, type DeliveryReports } from './reports.js'
import type { Delivery, Settlement } from './task.js'
import { untilAborted, untilStored, untilTime } from './until-stored.js'

export interface DeliverySurroundings {
  readonly queue: QueueDriver
  readonly keeper: Keeper
  readonly clock: Clock
  readonly metrics: Metrics
  readonly logger: Logger
  readonly graceMs: number
  readonly leaseMs: number
  readonly maxCrashes: number
  readonly submitChild: (
    parentId: string,
    ...child: Parameters<WorkReports['submit']>
  ) => ReturnType<WorkReports['submit']>
  /** Told of every delivery's end, after its settle. */
  readonly onEnd: (delivery: Delivery, end: DeliveryEnd) => void
}

/** A delivery under way. */
export interface Running {
  readonly fence: string
  readonly deadline: Deadline
  /** Resolves when the handler has ended, or was left behind: its slot is free. Never rejects. */
  readonly performed: Promise<void>
  /** Resolves when the queue has taken the end, or is known never to. Never rejects. */
  readonly settled: Promise<void>
}

export function runDelivery(delivery: Delivery, known: KnownType, around: DeliverySurroundings): Running {
  const timeoutMs = delivery.task.timeoutMs ?? known.timeoutMs
  const startedAt = around.clock.monotonic()
  const deadline = createDeadline(timeoutMs)
  const refused = refuse(delivery, around)
  const performing = refused
    ? Promise.resolve(refused)
    : perform(delivery, known, { timeoutMs, deadline }, around)
  const ended = performing.then(({ outcome, reports }) => {
    deadline.clear()
    const settlement = decide(delivery, known, outcome, around)
    reports?.flush()
    return { outcome, settlement, seconds: (around.clock.monotonic() - startedAt) / 1000 }
  })
  const settled = ended.then(async ({ outcome, settlement, seconds }) => {
    const answer = await settle(delivery, settlement, around)
    const end = { outcome, settlement, answer, seconds }
    report(delivery, end, around)
    around.onEnd(delivery, end)
  })
  return { fence: delivery.fence, deadline, performed: ended.then(() => {}), settled }
}

interface Performed {
  readonly outcome: Outcome
  readonly reports: DeliveryReports | null
}

// ── check ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

/** A delivery that must not start: its lease ended on the way here, or its row is not what was stored. */
function refuse(delivery: Delivery, { clock }: DeliverySurroundings): Performed | null {
  if (clock.monotonic() >= delivery.leaseUntil) {
    return { outcome: { kind: 'aborted', reason: 'lease_lost', killed: false }, reports: null }
  }
  return delivery.intact ? null : { outcome: { kind: 'invalid_payload', error: CORRUPT }, reports: null }
}

const CORRUPT = { code: 'corrupt', message: 'the stored task does not match the hash it was stored with' }

// ── perform ───────────────────────────────────────────────────────────────────────────────────────────────────────────

async function perform(
  delivery: Delivery,
  known: KnownType,
  { timeoutMs, deadline }: { timeoutMs: number; deadline: Deadline },
  around: DeliverySurroundings,
): Promise<Performed> {
  const { board } = around.keeper
  const now = around.clock.monotonic()
  const slot = board.enter({
    fence: delivery.fence,
    inline: known.plugin.host === 'inline',
    deadline: now + timeoutMs,
    now,
  })
  const reports = createReports(
    { fence: delivery.fence, taskId: delivery.task.id, type: delivery.task.type },
    {
      queue: around.queue,
      logger: around.logger,
      submit: (...child) => around.submitChild(delivery.task.id, ...child),
      onAct: () => board.touch(slot, around.clock.monotonic()),
      onLost: () => deadline.abort('lease_lost'),
      // the lease is held meanwhile: what stops the delivery ends the wait
      pause: untilAborted(() => deadline.signal()),
    },
  )
  try {
    // all deliveries of one claim enter the board before the first handler runs: one that blocks the loop must not hide the others from the keeper
    await Promise.resolve()
    board.touch(slot, around.clock.monotonic())
    const outcome = await known.host.perform(workOf(delivery, { timeoutMs, deadline, reports }, around))
    const rest = reports.answered(() => deadline.signal())
    if (rest) await rest
    return { outcome, reports }
  } finally {
    board.leave(slot)
  }
}

function workOf(
  delivery: Delivery,
  { timeoutMs, deadline, reports }: { timeoutMs: number; deadline: Deadline; reports: WorkReports },
  around: DeliverySurroundings,
): Work {
  const { task, fence, checkpoint, charged } = delivery
  return {
    fence,
    taskId: task.id,
    type: task.type,
    version: task.version,
    payload: task.payload,
    checkpoint,
    attempt: charged.attempts + 1,
    delivery: task.deliveries,
    deadline: around.clock.wall() + timeoutMs,
    signal: () => deadline.signal(),
    graceMs: around.graceMs,
    reports,
  }
}

// ── decide ────────────────────────────────────────────────────────────────────────────────────────────────────────────

function decide(
  delivery: Delivery,
  known: KnownType,
  outcome: Outcome,
  around: DeliverySurroundings,
): Settlement {
  const budgets = {
    chargedAttempts: delivery.charged.attempts,
    chargedCrashes: delivery.charged.crashes,
    maxAttempts: delivery.task.maxAttempts,
    maxCrashes: around.maxCrashes,
  }
  const settlement = decideSettlement(outcome, budgets, known.backoff, around.clock.wall(), Math.random)
  return settlement.kind === 'failed' && settlement.error.code === 'corrupt'
    ? { ...settlement, reason: 'corrupt' }
    : settlement
}

// ── settle ────────────────────────────────────────────────────────────────────────────────────────────────────────────

type Settled = 'settled' | 'stale' | 'not_settled'

/**
 * Tries until the lease, no longer renewed from here on, has ended. A settle is safe to repeat: once it was stored the fence is not current any
 * more, so that after an unknown outcome `stale` most likely means "stored by the first try".
 */
async function settle(
  delivery: Delivery,
  settlement: Settlement,
  around: DeliverySurroundings,
): Promise<Settled> {
  const pause = untilTime(around.clock, around.clock.monotonic() + around.leaseMs)
  try {
    const { answer, unsure } = await untilStored(() => around.queue.settle(delivery.fence, settlement), pause)
    return unsure ? 'settled' : answer
  } catch (error) {
    const fields = { task_id: delivery.task.id, task_type: delivery.task.type, error: String(error) }
    around.logger.error(fields, 'settle_failed')
    return 'not_settled'
  }
}

// ── report ────────────────────────────────────────────────────────────────────────────────────────────────────────────

export interface DeliveryEnd {
  readonly outcome: Outcome
  readonly settlement: Settlement
  readonly answer: Settled
  readonly seconds: number
}

function report(
  delivery: Delivery,
  { outcome, settlement, answer, seconds }: DeliveryEnd,
  around: DeliverySurroundings,
): void {
  const { metrics, logger } = around
  const { id, type } = delivery.task
  if (outcome.kind === 'crashed') metrics.crashes.inc({ task_type: type })
  if (outcome.kind === 'abandoned') metrics.abandoned.inc({ task_type: type })
  if (answer !== 'settled') {
    if (answer === 'stale') metrics.staleSettles.inc()
    logger.warn({ task_id: id, task_type: type, duration: seconds, outcome: outcome.kind }, 'task_lost')
    return
  }
  crashPoint('after_settle')
  const status = statusOf(settlement)
  metrics.processed.inc({ task_type: type, status })
  metrics.duration.observe({ task_type: type }, seconds)
  if (isFailedAttempt(settlement)) metrics.failedAttempts.inc({ task_type: type })
  const line = {
    task_id: id,
    task_type: type,
    duration: round(seconds),
    status,
    ...errorFields(delivery, settlement),
  }
  if ('error' in settlement) logger.warn(line, 'task_processed')
  else logger.info(line, 'task_processed')
}

/** `success` is the wire's word for `succeeded`. */
function statusOf(settlement: Settlement): ProcessedStatus {
  switch (settlement.kind) {
    case 'succeeded':
      return 'success'
    case 'retry':
      return 'retried'
    case 'failed':
      return 'failed'
    case 'crash':
      return 'crashed'
    case 'release':
      return 'released'
    case 'snooze':
      return 'snoozed'
    case 'cancelled':
      return 'cancelled'
  }
}

function isFailedAttempt(settlement: Settlement): boolean {
  return settlement.kind === 'retry' || (settlement.kind === 'failed' && settlement.charge === 'attempt')
}

function errorFields(delivery: Delivery, settlement: Settlement): Record<string, unknown> {
  if (!('error' in settlement)) return {}
  const { code, message } = settlement.error
  const reason = settlement.kind === 'failed' ? { reason: settlement.reason } : {}
  return { attempt: delivery.charged.attempts + 1, error_code: code, error: message, ...reason }
}

function round(seconds: number): number {
  return Math.round(seconds * 1e6) / 1e6
}
