import { createClock, type Clock } from '../clock.js'

/** A clock that a test steps. Both times go on by themselves as well: what reads it in another thread sees the same. */
export interface FakeClock {
  readonly clock: Clock
  /** What an administrator or NTP does: due times and dates move, either way; leases and deadlines must not. */
  readonly stepWall: (ms: number) => void
  /** Lets leases and deadlines pass. Never backwards: throws a RangeError. */
  readonly stepMonotonic: (ms: number) => void
  /** Lets time pass: both clocks. */
  readonly advance: (ms: number) => void
}

/** Steps `clock` (default: a new one) by its shared offsets. */
export function fakeClock(clock: Clock = createClock()): FakeClock {
  const step = (index: 0 | 1, ms: number) => {
    clock.offsets[index] = (clock.offsets[index] ?? 0) + ms
  }
  const stepMonotonic = (ms: number) => {
    if (ms < 0) throw new RangeError(`monotonic time never goes back, expected a step ≥ 0, got ${ms}`)
    step(1, ms)
  }
  return {
    clock,
    stepWall: (ms) => step(0, ms),
    stepMonotonic,
    advance: (ms) => {
      stepMonotonic(ms)
      step(0, ms)
    },
  }
}
