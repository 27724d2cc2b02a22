/** When to try again. The ceiling doubles with each charged attempt from `minDelayMs` up to `maxDelayMs`. */
export interface BackoffPolicy {
  readonly minDelayMs: number
  readonly maxDelayMs: number
}

export const DEFAULT_BACKOFF: BackoffPolicy = { minDelayMs: 1_000, maxDelayMs: 5 * 60_000 }

/**
 * The delay after the `failures`-th charged attempt (1 …) in whole milliseconds: exponential with full jitter, that is anything
 * between 0 and the ceiling, so that tasks which failed together do not come back together.
 * `random` answers 0 ≤ x < 1, like Math.random.
 */
export function backoffDelayMs(failures: number, policy: BackoffPolicy, random: () => number): number {
  return Math.round(random() * backoffCeilingMs(failures, policy))
}

/** The longest delay after the `failures`-th charged attempt. */
export function backoffCeilingMs(failures: number, { minDelayMs, maxDelayMs }: BackoffPolicy): number {
  // 2 ** 1024 is Infinity, and 0 * Infinity NaN
  const doublings = Math.min(Math.max(failures - 1, 0), 1_000)
  return Math.min(maxDelayMs, minDelayMs * 2 ** doublings)
}
