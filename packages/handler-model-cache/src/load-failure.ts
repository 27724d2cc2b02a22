import { isModelError } from './errors.js'
import type { ModelEntry } from './model-entry.js'

const FIRST_BACKOFF_MS = 1000
const LAST_BACKOFF_MS = 60_000

/** What may pass by itself with time. Not a wait for room that ran out: nothing failed about the model, and the next one may find room at once. */
export function isLoadFailure(error: Error): boolean {
  return !isModelError(error) || (error.retryable && error.code !== 'NO_ROOM')
}

/** Without a backoff, for there is nothing to wait for; health tells by it why a warm model is missing. */
export function noteFailure(entry: ModelEntry, error: Error, now: number): void {
  entry.failure = { error, count: entry.failure?.count ?? 0, retryAt: now }
}

/** Requests before its end get the error, with the time to wait. It doubles with each failure in a row. */
export function backOff(entry: ModelEntry, error: Error, now: number): void {
  const count = (entry.failure?.count ?? 0) + 1
  const backoffMs = Math.min(LAST_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** Math.min(20, count - 1))
  const askedMs = isModelError(error) ? (error.retryAfterMs ?? 0) : 0
  entry.failure = { error, count, retryAt: now + Math.max(backoffMs, askedMs) }
}
