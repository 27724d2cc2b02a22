import { setTimeout } from 'node:timers/promises'
import type { Logger } from 'pino'
import { backoffDelayMs } from '../backoff.js'
import type { Clock } from '../clock.js'
import { isWorkerError, type ErrorCode } from '../errors.js'
import type { Metrics } from '../metrics.js'
import type { Accepted, Submission } from '../submit.js'
import { decideDue } from './due.js'
import { taskIdOf, taskOf, type Schedule } from './options.js'
import type { RecordStore, ScheduleRecord } from './record.js'

export interface ScheduleSurroundings {
  readonly clock: Clock
  readonly logger: Logger
  readonly metrics: Pick<Metrics, 'scheduleFired' | 'scheduleFailures'>
  readonly records: RecordStore
  readonly submit: (submission: Submission) => Promise<Accepted>
  /** What fell due longer ago is not made up: an id is known for as long only. */
  readonly lookBackMs: number
  /** Resolves after `ms`; rejects when the signal aborts. */
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>
}

/** A look at the clock at least this often: it may be set while a timer runs, and a timer of Node.js holds 24.8 days at most. */
const MAX_SLEEP_MS = 30_000
const RETRY = { minDelayMs: 200, maxDelayMs: 30_000 }
/** Refusals that the same task meets again. */
const HOPELESS = new Set<ErrorCode>([
  'unknown_type',
  'unknown_version',
  'invalid_payload',
  'invalid_task',
  'payload_too_large',
])

/** A timer that doesn't keep the process alive. */
export const sleep: ScheduleSurroundings['sleep'] = (ms, signal) =>
  setTimeout(ms, undefined, { ref: false, signal })

/** Looks, submits what is due, sleeps until the next instant, and again until the signal aborts. Never rejects. */
export async function runSchedule(
  schedule: Schedule,
  around: ScheduleSurroundings,
  signal: AbortSignal,
): Promise<void> {
  const { clock, logger } = around
  const { name } = schedule.options
  try {
    let record = await firstRecord(schedule, around)
    while (!signal.aborted) {
      record = await look(schedule, record, around, signal)
      const now = clock.wall()
      const next = schedule.timing.next(record.seenUntil) ?? Infinity
      await around.sleep(Math.min(Math.max(next - now, 1), MAX_SLEEP_MS), signal)
    }
  } catch (error) {
    if (!signal.aborted) logger.error({ schedule: name, error: String(error) }, 'schedule_ended')
  }
}

/** Seen for the first time, a schedule has missed nothing. */
async function firstRecord(schedule: Schedule, around: ScheduleSurroundings): Promise<ScheduleRecord> {
  const now = around.clock.wall()
  const known = await around.records.read(schedule)
  if (known) return { ...known, seenUntil: Math.max(known.seenUntil, now - around.lookBackMs) }
  const record = { seenUntil: now, lastInstant: null }
  await keep(schedule, record, around)
  return record
}

/** Deals with what fell due since the last look. Aborted half-way it answers the record as it was: the next start makes up for it. */
async function look(
  schedule: Schedule,
  record: ScheduleRecord,
  around: ScheduleSurroundings,
  signal: AbortSignal,
): Promise<ScheduleRecord> {
  const now = around.clock.wall()
  // the clock was set back: what fires again is known by its id
  const since = Math.min(record.seenUntil, now)
  const { fire, dropped, late } = decideDue(schedule.timing, schedule.missed, since, now)
  if (fire.length + dropped === 0) return { ...record, seenUntil: since }
  if (late) {
    const { missed, options } = schedule
    around.logger.warn({ schedule: options.name, missed, fired: fire.length, dropped }, 'schedule_missed')
  }
  const until = schedule.timing.next(now) ?? Infinity
  let { lastInstant } = record
  for (const instant of fire) {
    if (await fireOnce(schedule, instant, { ...around, until, signal })) lastInstant = instant
    if (signal.aborted) return record
  }
  const looked = { seenUntil: now, lastInstant }
  await keep(schedule, looked, around)
  return looked
}

async function keep(schedule: Schedule, record: ScheduleRecord, around: ScheduleSurroundings): Promise<void> {
  await around.records.write(schedule, record).catch((error: unknown) => {
    const { name } = schedule.options
    around.logger.warn({ schedule: name, error: String(error) }, 'schedule_record_failed')
  })
}

interface Firing extends ScheduleSurroundings {
  /** The next instant: then this one is given up. */
  readonly until: number
  readonly signal: AbortSignal
}

/** Whether the task of the instant is in the queue now, by this worker or another one. */
async function fireOnce(schedule: Schedule, instant: number, around: Firing): Promise<boolean> {
  const { clock, logger, metrics, until, signal } = around
  const { name } = schedule.options
  const told = { schedule: name, task_id: taskIdOf(name, instant) }
  for (let failures = 1; !signal.aborted; failures++) {
    try {
      const { duplicate } = await around.submit(taskOf(schedule, instant))
      if (!duplicate) metrics.scheduleFired.inc({ schedule: name })
      logger[duplicate ? 'debug' : 'info'](told, duplicate ? 'schedule_fired_elsewhere' : 'schedule_fired')
      return true
    } catch (error) {
      // fired by a worker with another payload, before or after a deploy
      if (isWorkerError(error) && error.code === 'id_conflict') return true
      if (signal.aborted) return false
      metrics.scheduleFailures.inc({ schedule: name })
      const delayMs = delayAfter(error, failures)
      const again = delayMs !== null && clock.wall() + delayMs < until
      const fields = { ...told, error: String(error), again_in: again ? delayMs / 1000 : null }
      logger[again ? 'warn' : 'error'](fields, again ? 'schedule_submit_failed' : 'schedule_given_up')
      if (!again) return false
      await around.sleep(delayMs, signal).catch(() => {})
    }
  }
  return false
}

/** Null: trying again cannot help. */
function delayAfter(error: unknown, failures: number): number | null {
  if (!isWorkerError(error)) return backoffDelayMs(failures, RETRY, Math.random)
  if (HOPELESS.has(error.code)) return null
  return Math.max(error.retryAfterMs ?? 0, backoffDelayMs(failures, RETRY, Math.random))
}
