/** How fast a queue empties, to tell a submit that found it full when to come again. */
export interface DrainRate {
  /** `n` tasks left the queue. `now` in monotonic milliseconds. */
  left(n: number, now: number): void
  /** When about `n` places should be free, in milliseconds: 1 s … 60 s, the longest where nothing left lately. */
  retryAfterMs(n: number, now: number): number
}

const WINDOW_MS = 10_000
const SHORTEST_MS = 1_000
const LONGEST_MS = 60_000

export function createDrainRate(): DrainRate {
  let since: number | null = null
  let count = 0
  let before = 0

  function turn(now: number): number {
    since ??= now
    const elapsed = now - since
    if (elapsed < WINDOW_MS) return elapsed
    // the window before counts only where it ended just now
    before = elapsed < 2 * WINDOW_MS ? count : 0
    count = 0
    since = now
    return 0
  }

  return {
    left(n, now) {
      turn(now)
      count += n
    },
    retryAfterMs(n, now) {
      const elapsed = turn(now)
      const drained = count + before
      if (drained === 0) return LONGEST_MS
      const spanMs = before > 0 ? WINDOW_MS + elapsed : Math.max(elapsed, 1)
      return Math.ceil(Math.min(LONGEST_MS, Math.max(SHORTEST_MS, (n * spanMs) / drained)))
    },
  }
}
