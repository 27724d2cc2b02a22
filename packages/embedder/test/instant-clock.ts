import type { Clock } from '../src/clock.js'

/** Sleeping takes no time: the clock jumps ahead, and remembers by how much. */
export interface InstantClock extends Clock {
  sleeps: number[]
}

export function createInstantClock(start = Date.parse('2026-01-01T00:00:00Z')): InstantClock {
  let now = start
  const sleeps: number[] = []
  return {
    sleeps,
    now: () => now,
    async sleep(ms, signal) {
      signal.throwIfAborted()
      sleeps.push(ms)
      now += ms
    },
  }
}
