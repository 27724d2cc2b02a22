import type { CacheClock } from '../src/clock.js'

export interface SteppedClock extends CacheClock {
  /** Calls what is due on the way, in order, and lets what that started settle. */
  step(ms: number): Promise<void>
  /** Timers not yet called or cancelled. */
  pending(): number
}

interface Timer {
  readonly at: number
  readonly callback: () => void
}

/** Time that passes only when a test says so. */
export function createSteppedClock(): SteppedClock {
  let now = 1_000_000
  const timers = new Set<Timer>()
  const nextDue = (until: number): Timer | undefined =>
    [...timers].filter(({ at }) => at <= until).toSorted((a, b) => a.at - b.at)[0]
  return {
    now: () => now,
    pending: () => timers.size,
    after(ms, callback) {
      const timer = { at: now + Math.max(0, ms), callback }
      timers.add(timer)
      return () => timers.delete(timer)
    },
    async step(ms) {
      const until = now + ms
      for (let timer = nextDue(until); timer !== undefined; timer = nextDue(until)) {
        now = timer.at
        timers.delete(timer)
        timer.callback()
        await settled()
      }
      now = until
      await settled()
    },
  }
}

/** Resolves when everything that can go on without a timer or I/O has done so. */
export function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
