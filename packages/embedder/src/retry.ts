import type { Clock } from './clock.js'
import { isEmbedderError } from './errors.js'

export interface RetryLimits {
  /** Tries in all, the first included. */
  maxAttempts: number
  /** The longest the call waits between two tries. */
  maxRetryWaitMs: number
}

export interface RetryEnvironment {
  clock: Clock
  /** 0 up to 1. */
  random: () => number
}

const firstBackoffMs = 500

/**
 * Tries until success, an error that is not retryable, or the last attempt; throws the last error. Waits as long as
 * the server asked for; else a random time up to 0.5 s, 1 s, 2 s …, so that clients that failed together do not
 * come back together. A server that asks for more than `maxRetryWaitMs` ends it at once: the error carries
 * `retryAfterMs`, and whoever runs the task can put it off without holding a worker.
 */
export async function retry<T>(
  attempt: () => Promise<T>,
  limits: RetryLimits,
  { clock, random }: RetryEnvironment,
  signal: AbortSignal,
): Promise<T> {
  for (let tried = 1; ; tried += 1) {
    try {
      return await attempt()
    } catch (error) {
      signal.throwIfAborted()
      if (!isEmbedderError(error) || !error.retryable || tried >= limits.maxAttempts) throw error
      const waitMs = error.retryAfterMs ?? random() * firstBackoffMs * 2 ** (tried - 1)
      if (error.retryAfterMs !== undefined && waitMs > limits.maxRetryWaitMs) throw error
      await clock.sleep(Math.min(waitMs, limits.maxRetryWaitMs), signal)
    }
  }
}

/**
 * `Retry-After` in milliseconds from now: it is a number of seconds or an HTTP date. Undefined if the header is
 * absent or neither; a date in the past is 0.
 */
export function parseRetryAfter(header: string | null, now: number): number | undefined {
  const value = header?.trim() ?? ''
  if (/^\d+(\.\d+)?$/.test(value)) return Number(value) * 1000
  const date = Date.parse(value)
  return Number.isNaN(date) ? undefined : Math.max(0, date - now)
}
