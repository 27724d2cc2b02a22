import type { ModelError } from './errors.js'
import type { ModelEntry, Waiter } from './model-entry.js'

/**
 * Tells some of those who wait for a model that their wish cannot be met; the others go on. False, and nobody is told, where that would be everybody: then
 * the attempt fails as a whole.
 */
export function refuseSome(
  { waiters }: ModelEntry,
  isOne: (waiter: Waiter) => boolean,
  errorFor: (waiter: Waiter) => ModelError,
): boolean {
  const refused = [...waiters].filter(isOne)
  if (refused.length === waiters.size) return false
  for (const waiter of refused) {
    waiters.delete(waiter)
    waiter.reject(errorFor(waiter))
  }
  return true
}
