import type { Clock } from '../src/clock.js'

/** Sleeping takes no time: the clock jumps ahead, and remembers by how much. */
export interface InstantClock extends Clock {
  sleeps: number[]
  /** Somebody sets the wall clock: ahead, or back if negative. */
  setWall(byMs: number): void
}

export function createInstantClock(start = Date.parse('2026-01-01T00:00:00Z')): InstantClock {
  let elapsed = 0
  let wall = start
  const sleeps: number[] = []
  return {
    sleeps,
    setWall(byMs) {
      wall += byMs
    },
    now: () => wall + elapsed,
    elapsed: () => elapsed,
    async sleep(ms, signal) {
      signal.throwIfAborted()
      sleeps.push(ms)
      elapsed += ms
    },
  }
}
