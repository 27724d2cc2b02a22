/**
 * Far enough to either side of a local time that a clock change beside it lies between: zones are −12 … +14 h from UTC.
 */
const DAY_AND_A_HALF_MS = 36 * 3_600_000

/** Between local time and instants, both in milliseconds; local time is counted as if it were UTC. */
export interface ZoneTime {
  /** Local time minus UTC at an instant. */
  readonly offsetMs: (instant: number) => number
  /**
   * The instant of a local time. One that occurs twice is its first occurrence. One that a clock change leaves out is the instant of that change
   * (`shift`) or null (`skip`).
   */
  readonly instantOf: (local: number, gap: 'skip' | 'shift') => number | null
}

/** Throws a RangeError where the zone is not known. */
export function createZoneTime(timezone: string): ZoneTime {
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone: timezone,
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
  })
  const offsetMs = (instant: number): number => {
    const part: Partial<Record<Intl.DateTimeFormatPartTypes, number>> = {}
    for (const { type, value } of format.formatToParts(instant)) part[type] = Number(value)
    const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = part
    return Date.UTC(year, month - 1, day, hour, minute, second) - Math.floor(instant / 1000) * 1000
  }
  return {
    offsetMs,
    instantOf(local, gap) {
      const before = offsetMs(local - DAY_AND_A_HALF_MS)
      const after = offsetMs(local + DAY_AND_A_HALF_MS)
      const instants = [local - before, local - after].filter((one) => one + offsetMs(one) === local)
      if (instants.length > 0) return Math.min(...instants)
      return gap === 'skip' ? null : changeIn(local - after, local - before, after, offsetMs)
    },
  }
}

/** The first instant in (from, to] with the offset `after`. */
function changeIn(from: number, to: number, after: number, offsetMs: ZoneTime['offsetMs']): number {
  let [before, end] = [from, to]
  while (end - before > 1) {
    const middle = Math.floor((before + end) / 2)
    if (offsetMs(middle) === after) end = middle
    else before = middle
  }
  return end
}
