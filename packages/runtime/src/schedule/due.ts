import type { Timing } from './timing.js'

export type MissedRule = 'none' | 'latest' | 'all'

/** Instants that are no older when they are looked at are on time: a busy loop, a restart. */
export const ON_TIME_MS = 10_000
/** Of `all` instants that were missed the last so many are made up. */
export const MOST_MISSED = 1000

export interface Due {
  /** Instants to submit, oldest first. */
  readonly fire: readonly number[]
  /** How many fell due and are not submitted; where more than `MOST_MISSED` fell due, at least so many. */
  readonly dropped: number
  /** Whether time was slept through: nobody looked when the instants fell due. */
  readonly late: boolean
}

/** What to do about the instants in (after, now]. */
export function decideDue(timing: Timing, missed: MissedRule, after: number, now: number): Due {
  const due = instantsIn(timing, after, now, MOST_MISSED + 1)
  const onTime = (instant: number) => now - instant <= ON_TIME_MS
  if (due.every(onTime)) return { fire: due, dropped: 0, late: false }
  const fire = {
    none: due.slice(-1).filter(onTime),
    latest: due.slice(-1),
    all: due.slice(-MOST_MISSED),
  }[missed]
  return { fire, dropped: due.length - fire.length, late: true }
}

/** The last `most` instants in (after, upTo], oldest first. */
export function instantsIn(timing: Timing, after: number, upTo: number, most: number): readonly number[] {
  const found: number[] = []
  let instant = timing.previous(upTo + 1)
  while (instant !== null && instant > after && found.length < most) {
    found.push(instant)
    instant = timing.previous(instant)
  }
  return found.toReversed()
}
