/**
 * Two clocks that are never mixed: wall time (due times, what people read) may step by hours; monotonic time (leases,
 * deadlines) never does and is the same for all processes since the machine's start.
 */
export interface Clock {
  /** Milliseconds since the epoch. */
  wall(): number
  /** Milliseconds since the machine's start (CLOCK_MONOTONIC), comparable between processes. */
  monotonic(): number
  /** Offsets [wall, monotonic] in milliseconds that are added to both, shared with the keeper. Tests step clocks by it. */
  readonly offsets: Float64Array<SharedArrayBuffer>
}

/** What a `Date` can hold (ECMA-262, 21.4.1.1), in milliseconds since the epoch. */
export const LATEST_DATE_MS = 8.64e15

export function createClock(offsets?: Float64Array<SharedArrayBuffer>): Clock {
  const shift = offsets ?? new Float64Array(new SharedArrayBuffer(16))
  return {
    offsets: shift,
    wall: () => Date.now() + (shift[0] ?? 0),
    monotonic: () => Number(process.hrtime.bigint()) / 1e6 + (shift[1] ?? 0),
  }
}
