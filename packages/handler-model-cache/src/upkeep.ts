import type { PluginLog } from '@mcp-worker/runtime'
import type { CacheClock } from './clock.js'
import type { ModelCacheMetrics } from './metrics.js'
import { bringBack, keptWishes, lookAtEndpoints, type ReconcileAround, type Wanted } from './reconcile.js'
import { countMissing } from './warm.js'

export interface UpkeepAround extends ReconcileAround {
  readonly clock: CacheClock
  readonly metrics: ModelCacheMetrics
  /** Between two looks at the endpoints. */
  readonly everyMs: number
  readonly log: PluginLog
}

const SAMPLE_EVERY_MS = 1000

/** Sets the gauges every second. Answers the function that stops it. */
export function keepSampling(around: Omit<UpkeepAround, 'everyMs' | 'log'>): () => void {
  let cancel: (() => void) | null = null
  const sample = () => {
    around.metrics.sample(around.cache, countMissing(around))
    cancel = around.clock.after(SAMPLE_EVERY_MS, sample)
  }
  sample()
  return () => cancel?.()
}

/**
 * At its interval a look at the endpoints, after which what is missing of the warm list and of the pinned is loaded again. The next look waits for no
 * load, and no load for a look that its endpoint keeps waiting: both may take minutes. Answers the function that stops it.
 */
export function keepLooking(around: UpkeepAround): () => void {
  const { clock, everyMs } = around
  const stopping = new AbortController()
  const { signal } = stopping
  let cancel: (() => void) | null = null
  const bringMissing = createBringMissing(around, signal)
  let isLooking = false
  const next = () => {
    if (!signal.aborted) cancel = clock.after(everyMs, tick)
  }
  const tick = () => {
    // a server says nothing while it loads: what is known to be missing elsewhere does not wait for that
    if (isLooking) bringMissing()
    else void look()
    next()
  }
  const look = async () => {
    isLooking = true
    for (const { what, error } of await lookAtEndpoints(around, signal))
      if (error !== null && !signal.aborted)
        around.log.warn('model_reconcile_failed', { what, error: error.message })
    isLooking = false
    bringMissing()
  }
  next()
  return () => {
    stopping.abort(new Error('the model cache is closed'))
    cancel?.()
  }
}

/** Starts the loads of what is missing; what is being loaded is not asked for again. */
function createBringMissing(around: UpkeepAround, signal: AbortSignal): () => void {
  const underWay = new Set<string>()
  const bring = async (wanted: Wanted) => {
    underWay.add(wanted.what)
    const { what, error } = await bringBack(wanted, around, signal)
    underWay.delete(what)
    if (error !== null && !signal.aborted) logFailure(around, what, error)
  }
  return () => {
    for (const wanted of keptWishes(around))
      if (!signal.aborted && !underWay.has(wanted.what)) void bring(wanted)
  }
}

function logFailure({ log, warm }: UpkeepAround, what: string, error: Error): void {
  if (warm.includes(what)) logWarmFailure(log, what, error)
  else log.warn('model_reconcile_failed', { what, error: error.message })
}

export function logWarmFailure(log: PluginLog, what: string, error: Error): void {
  log.warn('model_warm_failed', { what, error: error.message })
}
