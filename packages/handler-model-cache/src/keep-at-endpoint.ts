import { isModelError } from './errors.js'
import { keepAliveOf, type ModelEntry } from './model-entry.js'

/**
 * What an endpoint is to be told: null, until it is unloaded, where the model is pinned or somebody waits to pin it, and where `keep_alive` is 0:
 * that means after the warmup, and is the cache's to do.
 */
export function endpointKeepAlive(entry: ModelEntry): number | null {
  const isPinned = entry.pinned || [...entry.waiters].some(({ wish }) => wish.pin)
  const keepAliveMs = keepAliveOf(entry)
  return isPinned || keepAliveMs === 0 ? null : keepAliveMs
}

/**
 * Tells the endpoint of a model in memory how long it is wanted, and starts that time anew; nothing for engines whose time the cache keeps. False:
 * the endpoint had lost it, and so has the cache now. Rejects with the errors of `keepFor`, or the signal's reason.
 */
export async function keepAtEndpoint(
  entry: ModelEntry,
  keepAliveMs: number | null,
  signal: AbortSignal,
): Promise<boolean> {
  const { loaded } = entry
  if (loaded === null) return false
  try {
    await loaded.keepFor?.(keepAliveMs, signal)
  } catch (error) {
    const isLost = entry.loaded !== loaded && isModelError(error) && error.code === 'MODEL_GONE'
    if (!isLost) throw error
  }
  return entry.loaded === loaded
}
