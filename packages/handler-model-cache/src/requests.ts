import type { CacheClock } from './clock.js'
import type { LoadedModel } from './engine.js'
import { isModelError, ModelError } from './errors.js'
import { endpointKeepAlive, keepAtEndpoint } from './keep-at-endpoint.js'
import type { LetGo } from './let-go.js'
import type { Arrival, ModelEntry, ModelWish, Waiter } from './model-entry.js'
import { countRequest } from './request-rate.js'
import { mismatch } from './size-up.js'

export interface RequestOptions {
  readonly signal: AbortSignal
  /** Counts a use in the moment of the arrival, and is given the model; the caller ends the use. Default: no use. */
  readonly hold?: (loaded: LoadedModel) => void
  /** Bytes read so far, and of how many. */
  readonly progress?: (doneBytes: number, totalBytes: number | null) => void
}

export interface RequestsAround {
  readonly clock: CacheClock
  /** Starts the load of an absent model. */
  readonly bringIn: (entry: ModelEntry, wish: ModelWish) => void
  readonly letGo: LetGo
  readonly rateHalfLifeMs: number
  /** Each request, before anything is done for it. */
  readonly onRequest: (entry: ModelEntry, now: number) => void
  readonly closing: AbortSignal
  /** Somebody waits for room who is more urgent or more permissive than those before. */
  readonly onWaiting: (entry: ModelEntry) => void
}

export type Request = (entry: ModelEntry, wish: ModelWish, options: RequestOptions) => Promise<Arrival>

/**
 * Asks for a model: at once where it is ready, else together with all others who wait for it. Who aborts leaves alone; when the last one leaves, the
 * load is stopped. Rejects with the error of the load, the signal's reason, or CACHE_CLOSED.
 */
export function createRequests(around: RequestsAround): Request {
  const { clock, letGo } = around
  return async (entry, wish, options) => {
    options.signal.throwIfAborted()
    count(entry, around)
    // again where another one had to load it meanwhile
    for (;;) {
      while (isDoubtful(entry, wish)) await checkDigest(entry, wish, options.signal)
      if (around.closing.aborted) throw around.closing.reason
      options.signal.throwIfAborted()
      letGo.revive(entry)
      if (entry.state !== 'ready') break
      if (await arrive(entry, wish, options, around)) return HIT
    }
    if (entry.state === 'failed' && !wish.force) refuseInBackoff(entry, clock.now())
    return join(entry, wish, options, around)
  }
}

function count(entry: ModelEntry, around: RequestsAround): void {
  const { clock, rateHalfLifeMs, onRequest } = around
  const now = clock.now()
  entry.rate = countRequest(entry.rate, now, rateHalfLifeMs)
  entry.lastUsedAt = now
  onRequest(entry, now)
}

/** Its content is settled, and not known to be the one that was asked for. What is yet to be sized up is checked there (size-up.ts). */
function isDoubtful(entry: ModelEntry, { model: { digest } }: ModelWish): boolean {
  return digest !== null && isSettled(entry) && entry.digest !== digest
}

/** Not where it leaves for certain: a request loads anew what is there by then. */
function isSettled({ state, attempt, leaving }: ModelEntry): boolean {
  if (state === 'queued') return attempt?.isSized === true
  if (state === 'draining') return leaving?.forced === false
  return state === 'loading' || state === 'warming' || state === 'ready'
}

/** What is in memory must have the content that was asked for. Nothing is loaded or evicted where it has not. */
async function checkDigest(entry: ModelEntry, wish: ModelWish, signal: AbortSignal): Promise<void> {
  if (entry.digest !== null) throw mismatch(wish, `${entry.digest} in memory`)
  const { attempt, loaded } = entry
  await entry.engine.estimate(wish.model, signal)
  // the file has the digest; what was loaded from it before may be another
  if (loaded?.isCurrent && !(await loaded.isCurrent())) throw mismatch(wish, 'an earlier content in memory')
  if (entry.attempt === attempt && entry.loaded === loaded) entry.digest = wish.model.digest
}

const HIT: Arrival = { kind: 'ready', how: 'hit' }

/** Gives a ready model to a request. False: its endpoint turned out to have lost it. */
async function arrive(
  entry: ModelEntry,
  wish: ModelWish,
  options: RequestOptions,
  { letGo, closing }: RequestsAround,
): Promise<boolean> {
  const { loaded } = entry
  if (loaded === null) return false
  entry.priority = Math.max(entry.priority, wish.priority)
  if (wish.keepAliveMs !== undefined) entry.keepAliveMs = wish.keepAliveMs
  const give = () => {
    holdFor(options.hold, entry)
    if (wish.pin) {
      entry.pinned = true
      entry.wish = wish
    }
    letGo.restTimer(entry)
    return true
  }
  if (!isEndpointTold(entry, wish)) return give()
  // in use, so that it stays while its endpoint is told
  entry.uses += 1
  try {
    const keepAliveMs = wish.pin ? null : endpointKeepAlive(entry)
    if (!(await keepAtEndpoint(entry, keepAliveMs, AbortSignal.any([options.signal, closing])))) return false
    letGo.revive(entry)
    return give()
  } finally {
    letGo.useEnded(entry, loaded)
  }
}

/** The time of a model on a shared endpoint runs there: each request that sets it or should start it anew is passed on. */
function isEndpointTold({ engine, keepAliveMs, pinned }: ModelEntry, wish: ModelWish): boolean {
  if (!engine.sharedEndpoint || keepAliveMs === 0) return false
  return wish.pin || wish.keepAliveMs !== undefined || (keepAliveMs !== null && !pinned)
}

function refuseInBackoff(entry: ModelEntry, now: number): void {
  const { failure } = entry
  if (failure === null || now >= failure.retryAt) return
  const { error } = failure
  const retryAfterMs = failure.retryAt - now
  const code = isModelError(error) ? error.code : 'LOAD_FAILED'
  const problem = isModelError(error) ? error.problem : error.message
  throw new ModelError(code, `the last load of ${entry.model.modelId} failed: ${problem}`, {
    cause: error,
    retryAfterMs,
  })
}

function join(
  entry: ModelEntry,
  wish: ModelWish,
  { signal, hold, progress = () => {} }: RequestOptions,
  around: RequestsAround,
): Promise<Arrival> {
  return new Promise((resolve, reject) => {
    const leave = () => {
      entry.waiters.delete(waiter)
      reject(signal.reason as Error)
      if (entry.waiters.size === 0) entry.attempt?.controller.abort(NOBODY_WAITS)
    }
    const isOut = entry.state === 'absent' || entry.state === 'failed'
    const waiter: Waiter = {
      wish,
      hold: () => holdFor(hold, entry),
      progress,
      resolve: (arrival) => {
        signal.removeEventListener('abort', leave)
        resolve(arrival)
      },
      reject: (error) => {
        signal.removeEventListener('abort', leave)
        reject(error)
      },
    }
    entry.waiters.add(waiter)
    signal.addEventListener('abort', leave, { once: true })
    // an attempt that has just put its model out of memory sees who waits when it ends
    if (isOut && entry.attempt === null) around.bringIn(entry, wish)
    else around.onWaiting(entry)
  })
}

const NOBODY_WAITS = new Error('nobody waits for the model any more')

function holdFor(hold: RequestOptions['hold'], entry: ModelEntry): void {
  if (hold === undefined || entry.loaded === null) return
  entry.uses += 1
  hold(entry.loaded)
}
