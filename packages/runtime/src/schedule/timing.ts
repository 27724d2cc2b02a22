import { Cron } from 'croner'
import { createZoneTime } from './zone-time.js'

/** When a schedule falls due. Instants are milliseconds since the epoch; neither depends on when the worker was started. */
export interface Timing {
  /** The first instant after `instant`; null: never again. */
  readonly next: (instant: number) => number | null
  /** The last instant before `instant`; null: there was none. */
  readonly previous: (instant: number) => number | null
}

export interface CronOptions {
  /** Five fields, or six with seconds first. */
  readonly cron: string
  /** IANA name, such as `Europe/Berlin`. */
  readonly timezone: string
  readonly dst: 'skip' | 'shift'
}

/** A clock that is set back repeats at most this much of a day. */
const LONGEST_REPEAT_MS = 3 * 3_600_000

/** Multiples of `everyMs` since the epoch. */
export function everyTiming(everyMs: number): Timing {
  return {
    next: (instant) => (Math.floor(instant / everyMs) + 1) * everyMs,
    previous: (instant) => (Math.ceil(instant / everyMs) - 1) * everyMs,
  }
}

/** Throws what croner or Intl say about a pattern or a zone that is none. */
export function cronTiming(options: CronOptions): Timing {
  return comesEveryHour(options.cron) ? rhythm(options) : timesOfDay(options)
}

function comesEveryHour(cron: string): boolean {
  const pattern = cron.trim()
  return /^@hourly$/i.test(pattern) || pattern.split(/\s+/).at(-4) === '*'
}

function parse(cron: string, timezone: string): Cron {
  const parsed = new Cron(cron.trim(), { timezone, mode: '5-or-6-parts' })
  if (parsed.getOnce() !== null) throw new TypeError('expected a pattern, not a date')
  return parsed
}

/** In real time: an hour that a clock change repeats is an hour like any other, and one that it leaves out was none. */
function rhythm({ cron, timezone }: CronOptions): Timing {
  const pattern = parse(cron, timezone)
  return {
    next: (instant) => pattern.nextRun(new Date(instant))?.getTime() ?? null,
    previous: (instant) => pattern.previousRuns(1, new Date(instant))[0]?.getTime() ?? null,
  }
}

/** In local time, each of which runs once at most; the pattern is asked for local times as if they were UTC. */
function timesOfDay({ cron, timezone, dst }: CronOptions): Timing {
  const pattern = parse(cron, 'UTC')
  const zone = createZoneTime(timezone)
  return {
    next(instant) {
      let local = pattern.nextRun(new Date(instant + zone.offsetMs(instant)))
      for (; local; local = pattern.nextRun(local)) {
        const found = zone.instantOf(local.getTime(), dst)
        if (found !== null && found > instant) return found
      }
      return null
    },
    previous(instant) {
      const ahead = Math.max(zone.offsetMs(instant), zone.offsetMs(instant - LONGEST_REPEAT_MS))
      let local = pattern.previousRuns(1, new Date(instant + ahead))[0]
      for (; local; local = pattern.previousRuns(1, local)[0]) {
        const found = zone.instantOf(local.getTime(), dst)
        if (found !== null && found < instant) return found
      }
      return null
    },
  }
}
