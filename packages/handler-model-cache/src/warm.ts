import { sleepUntil, type CacheClock } from './clock.js'
import { isModelError } from './errors.js'
import type { ModelEntry } from './model-entry.js'
import { bringBack, wantedWishes, type ReconcileAround, type Wanted } from './reconcile.js'

export interface WarmAround extends Pick<ReconcileAround, 'cache' | 'catalog' | 'warm'> {
  readonly clock: CacheClock
  readonly timeoutMs: number
  /** It is not loaded yet, and why: once for each reason in a row. */
  readonly onFailed: (what: string, error: Error) => void
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
    const wanted = wantedWishes(around)
    const underWay = new Set(wanted)
    const ends = await Promise.all(wanted.map((one) => loadWarm(one, { ...around, underWay }, within)))
    signal.throwIfAborted()
    const faults = ends.filter((fault) => fault !== null)
    if (faults.length > 0) throw new Error(`the warm list could not be loaded: ${faults.join('; ')}`)
  } finally {
    cancel()
  }
}

interface LoadWarmAround extends WarmAround {
  /** What may still change who gets room: neither loaded nor refused. */
  readonly underWay: Set<Wanted>
}

/** null: it is ready. */
async function loadWarm(wanted: Wanted, around: LoadWarmAround, signal: AbortSignal): Promise<string | null> {
  const { clock, underWay, onFailed } = around
  let fault = 'not loaded in time'
  while (!signal.aborted) {
    // what the others take is settled, and another try will end as this one does
    const isLast = [...underWay].every((one) => one === wanted)
    const { error, isRefused = false } = await bringBack(wanted, around, signal)
    if (error === null || isRefused) underWay.delete(wanted)
    if (error === null) return null
    if (signal.aborted) break
    // in the backoff of a failed load the error is about that load
    const reason = isModelError(error.cause) ? error.cause : error
    if (fault !== reason.message) onFailed(wanted.what, reason)
    fault = reason.message
    if ((isRefused && isLast) || (isModelError(error) && !error.retryable)) break
    await sleepUntil(clock, waitOf(error), signal)
  }
  underWay.delete(wanted)
  return `${wanted.what}: ${fault}`
}

function waitOf(error: Error): number {
  return isModelError(error) ? Math.max(RETRY_EVERY_MS, error.retryAfterMs ?? 0) : RETRY_EVERY_MS
}

type WarmList = Pick<ReconcileAround, 'catalog' | 'warm' | 'cache'>

/** How many of the warm list are not in memory. */
export function countMissing(around: WarmList): number {
  return absentOf(around).length
}

/** Names of the warm list that are not in memory since their last load failed or found no room, with why: until they are loaded. */
export function missingWarm(around: WarmList): string[] {
  return absentOf(around).flatMap(({ what, entries }) => {
    const error = whyAbsent(entries)
    return error === null ? [] : [`${what} of the warm list is not in memory: ${error.message}`]
  })
}

function absentOf({ cache, ...around }: WarmList) {
  return wantedWishes(around)
    .map(({ what, wishes }) => ({
      what,
      entries: wishes.map(({ engine, model }) => cache.find(engine, model)),
    }))
    .filter(
      ({ entries }) => !entries.some((entry) => entry?.state === 'ready' || entry?.state === 'draining'),
    )
}

/** A spelling under which nothing was found is the reason only where that is so of all of them. */
function whyAbsent(entries: readonly (ModelEntry | null)[]): Error | null {
  const errors = entries.map((entry) => entry?.failure?.error ?? null)
  const found = errors.filter((error) => !isModelError(error) || error.code !== 'MODEL_NOT_FOUND')
  return (found.length === 0 ? errors[0] : found[0]) ?? null
}
