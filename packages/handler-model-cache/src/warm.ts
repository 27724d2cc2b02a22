import { sleepUntil, type CacheClock } from './clock.js'
import { isModelError } from './errors.js'
import type { ModelCache } from './model-cache.js'
import { bringBack, wantedWishes, type ReconcileAround } from './reconcile.js'

export interface WarmAround extends Pick<ReconcileAround, 'cache' | 'catalog' | 'warm'> {
  readonly clock: CacheClock
  readonly timeoutMs: number
}

const RETRY_EVERY_MS = 1000

/**
 * Loads the warm list. What may pass (a server that starts at the same time) is tried again until the time is up; then, or at once where trying again
 * cannot help, rejects with **all** models that are missing: the worker does not start without them.
 */
export async function loadWarmList(around: WarmAround, signal: AbortSignal): Promise<void> {
  const limit = new AbortController()
  const cancel = around.clock.after(around.timeoutMs, () => limit.abort(new Error('warmTimeout is over')))
  const within = AbortSignal.any([signal, limit.signal])
  try {
    const ends = await Promise.all(wantedWishes(around).map((one) => loadWarm(one, around, within)))
    signal.throwIfAborted()
    const faults = ends.filter((fault) => fault !== null)
    if (faults.length > 0) throw new Error(`the warm list could not be loaded: ${faults.join('; ')}`)
  } finally {
    cancel()
  }
}

type Wanted = ReturnType<typeof wantedWishes>[number]

/** null: it is ready. */
async function loadWarm(wanted: Wanted, around: WarmAround, signal: AbortSignal): Promise<string | null> {
  let fault = `${wanted.what}: not loaded in time`
  while (!signal.aborted) {
    const { error } = await bringBack(wanted, around, signal)
    if (error === null) return null
    if (signal.aborted) break
    fault = `${wanted.what}: ${error.message}`
    if (isModelError(error) && !error.retryable) break
    await sleepUntil(around.clock, waitOf(error), signal)
  }
  return fault
}

function waitOf(error: Error): number {
  return isModelError(error) ? Math.max(RETRY_EVERY_MS, error.retryAfterMs ?? 0) : RETRY_EVERY_MS
}

/** Names of the warm list whose last load failed, with why. */
export function missingWarm(
  around: Pick<ReconcileAround, 'catalog' | 'warm'> & { readonly cache: ModelCache },
): string[] {
  return wantedWishes(around).flatMap(({ what, wishes }) => {
    const entries = wishes.map(({ engine, model }) => around.cache.find(engine, model))
    if (entries.some((entry) => entry !== null && entry.state !== 'failed' && entry.state !== 'absent'))
      return []
    const failed = entries.find((entry) => entry !== null && entry.failure !== null)
    return failed ? [`${what} of the warm list is not in memory: ${failed.failure?.error.message ?? ''}`] : []
  })
}
