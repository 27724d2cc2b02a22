import { parseDuration } from '../duration.js'
import type { Fault } from '../errors.js'
import type { Duration } from '../plugin.js'
import type { Submission } from '../submit.js'
import type { MissedRule } from './due.js'
import { cronTiming, everyTiming, type Timing } from './timing.js'

/** A task that is submitted again and again; exactly one of `cron` and `every` says when. */
export interface ScheduleOptions {
  /** `[a-z][a-z0-9_.-]{0,63}`, unique. It is part of the ids of its tasks. */
  readonly name: string
  readonly type: string
  readonly payload: unknown
  /** Five fields (minute, hour, day of month, month, day of week), or six with seconds first. */
  readonly cron?: string | undefined
  /** At the multiples of this time since 1970-01-01T00:00Z; from `1s` to `366d`. */
  readonly every?: Duration | undefined
  /** Of `cron`: an IANA name such as `Europe/Berlin`. Default `UTC`. */
  readonly timezone?: string | undefined
  /** Of what fell due while no worker ran: nothing, the last one (default), or each of the last 1,000. */
  readonly missed?: MissedRule | undefined
  /** Of `cron`: a time that a clock change leaves out runs right after the gap (default), or not at all. */
  readonly dst?: 'skip' | 'shift' | undefined
  /** As in `SubmitOptions`. */
  readonly version?: number | undefined
  readonly priority?: number | undefined
  readonly maxAttempts?: number | undefined
  readonly timeout?: Duration | undefined
}

/** A schedule whose options were checked. */
export interface Schedule {
  readonly options: ScheduleOptions
  readonly timing: Timing
  readonly everyMs: number | null
  readonly timezone: string | null
  readonly dst: 'skip' | 'shift' | null
  readonly missed: MissedRule
}

const NAME = /^[a-z][a-z0-9_.-]{0,63}$/
const LEAST_EVERY_MS = 1000
const MOST_EVERY_MS = 366 * 86_400_000
const MISSED = ['none', 'latest', 'all']
const DST = ['skip', 'shift']

/** The task of an instant. Every worker makes the same one: the queue keeps the first. */
export function taskOf({ options }: Pick<Schedule, 'options'>, instant: number): Submission {
  const { type, payload, version, priority, maxAttempts, timeout } = options
  return {
    id: taskIdOf(options.name, instant),
    type,
    payload,
    ...(version !== undefined && { version }),
    ...(priority !== undefined && { priority }),
    ...(maxAttempts !== undefined && { maxAttempts }),
    ...(timeout !== undefined && { timeout }),
  }
}

export function taskIdOf(name: string, instant: number): string {
  return `schedule:${name}:${new Date(instant).toISOString().replace('.000Z', 'Z')}`
}

/** What is wrong with one schedule; paths are within it. Whether its type exists and its payload fits is seen when the worker starts. */
export function scheduleFaults(options: ScheduleOptions): readonly Fault[] {
  const faults: Fault[] = []
  const expect = (ok: boolean, path: string, message: string) => {
    if (!ok) faults.push({ path, message })
  }
  const { name, cron, every, timezone, missed = 'latest', dst = 'shift' } = options
  expect(NAME.test(name), 'name', 'expected a lower-case letter, then up to 63 of a-z, 0-9, ".", "_" and "-"')
  expect((cron === undefined) !== (every === undefined), '', 'expected exactly one of cron and every')
  expect(cron !== undefined || timezone === undefined, 'timezone', 'expected only beside cron')
  expect(cron !== undefined || options.dst === undefined, 'dst', 'expected only beside cron')
  expect(MISSED.includes(missed), 'missed', `expected one of ${MISSED.join(', ')}`)
  expect(DST.includes(dst), 'dst', `expected one of ${DST.join(', ')}`)
  if (every !== undefined) faults.push(...everyFaults(every))
  if (cron !== undefined) faults.push(...cronFaults(cron, timezone))
  return faults
}

function everyFaults(every: Duration): Fault[] {
  const message = `expected whole milliseconds, from 1s to 366d; ${JSON.stringify(every)} was given`
  const ms = attempt(() => parseDuration(every))
  if (ms instanceof Error) return [{ path: 'every', message: ms.message }]
  return Number.isInteger(ms) && ms >= LEAST_EVERY_MS && ms <= MOST_EVERY_MS
    ? []
    : [{ path: 'every', message }]
}

function cronFaults(cron: string, timezone = 'UTC'): Fault[] {
  const faults: Fault[] = []
  const zone = attempt(() => new Intl.DateTimeFormat('en-US', { timeZone: timezone }))
  if (zone instanceof Error) {
    const message = `expected a time zone such as "Europe/Berlin"; ${JSON.stringify(timezone)} was given`
    faults.push({ path: 'timezone', message })
  }
  const timing = attempt(() => cronTiming({ cron, timezone: 'UTC', dst: 'shift' }))
  if (timing instanceof Error) {
    const message = `expected five fields, or six with seconds first: ${timing.message.replace(/^CronPattern: /, '')}`
    faults.push({ path: 'cron', message })
  } else if (timing.next(Date.now()) === null) {
    faults.push({ path: 'cron', message: `${JSON.stringify(cron)} never falls due` })
  }
  return faults
}

function attempt<T>(work: () => T): T | Error {
  try {
    return work()
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error))
  }
}

/** The schedules, or their faults with paths such as `schedules[0].cron`. */
export function readSchedules(given: readonly ScheduleOptions[]): {
  readonly schedules: readonly Schedule[]
  readonly faults: readonly Fault[]
} {
  const faults = given.flatMap((one, index) => {
    const at = `schedules[${index}]`
    const taken = given.findIndex(({ name }) => name === one.name) < index
    const own = taken ? [{ path: 'name', message: `${one.name} is the name of another schedule` }] : []
    return [...scheduleFaults(one), ...own].map(({ path, message }) => ({
      path: path === '' ? at : `${at}.${path}`,
      message,
    }))
  })
  return { schedules: faults.length > 0 ? [] : given.map(scheduleOf), faults }
}

function scheduleOf(options: ScheduleOptions): Schedule {
  const { cron, every, timezone = 'UTC', dst = 'shift', missed = 'latest' } = options
  if (cron === undefined) {
    const everyMs = parseDuration(every!)
    return { options, timing: everyTiming(everyMs), everyMs, timezone: null, dst: null, missed }
  }
  return { options, timing: cronTiming({ cron, timezone, dst }), everyMs: null, timezone, dst, missed }
}
