import { createBringIn, type BringIn } from './bring-in.js'
import type { CacheClock } from './clock.js'
import type { LoadedModel, ModelEngine, ModelRef } from './engine.js'
import { isModelError, ModelError } from './errors.js'
import { endpointKeepAlive, keepAtEndpoint } from './keep-at-endpoint.js'
import { createLetGo, type LetGo } from './let-go.js'
import { createModelBook, type ModelBook } from './model-book.js'
import type { Arrival, Arrived, Drained, ModelEntry, ModelWish } from './model-entry.js'
import type { CacheObserver } from './observer.js'
import { observeEndpoint } from './observe-endpoint.js'
import { createPools, poolOf, type Pool, type PoolSettings } from './pools.js'
import { createRequests, type Request, type RequestOptions } from './requests.js'
import type { ChosenEvictions, EvictionChoice } from './eviction-choice.js'

export interface ModelCacheSettings extends PoolSettings {
  /** For models whose first request says nothing; null: never unloaded for idleness. */
  readonly keepAliveMs: number | null
  readonly unloadTimeoutMs: number
  /** A model that is loaded again within this time after it was evicted for others is counted as thrash. */
  readonly thrashWindowMs: number
}

export interface ModelCacheParts {
  readonly engines: readonly ModelEngine[]
  readonly settings: ModelCacheSettings
  readonly clock: CacheClock
  readonly observer: CacheObserver
}

/** `revived`: a request came first (not where forced). Left alone: `pinned` and not forced, `loading` (somebody waits for it), `absent`. */
export type Evicted = Drained | 'pinned' | 'loading' | 'absent'

/**
 * Models in memory within a budget: one load per (endpoint, model, revision) however many ask, bytes reserved before each load, the cheapest idle
 * models evicted for it, never one that is in use or pinned. states.ts has the life of a model; the work is in requests.ts (asking), room.ts (who gets
 * the memory), bring-in.ts (loading) and let-go.ts (unloading); this file wires them.
 */
export interface ModelCache extends Pick<ModelBook, 'find' | 'entries'> {
  /** Loads it if need be. `hit`, `loaded` (this request did it), `joined` (another one's load), or refused. */
  preload(wish: ModelWish, options: RequestOptions): Promise<Arrival>
  /** Runs `work` with the model in memory, loading it if need be; it is not evicted meanwhile. */
  use<T>(
    wish: ModelWish,
    options: RequestOptions,
    work: (loaded: LoadedModel, how: Arrived) => Promise<T>,
  ): Promise<{ readonly arrival: Arrival; readonly value: T | null }>
  /** Unloads as soon as its last use ends. When the signal aborts it is unloaded all the same. */
  evict(
    engine: ModelEngine,
    model: ModelRef,
    options: { readonly force: boolean; readonly signal: AbortSignal },
  ): Promise<Evicted>
  /** Keeps a model, present or future, from being evicted. False: it is not in memory. */
  setPinned(engine: ModelEngine, model: ModelRef, pinned: boolean): boolean
  /** Tells a shared endpoint how long its model is wanted after all: a pinned one until it is unloaded. Rejects as the engine's `keepFor` does. */
  passOnKeepAlive(engine: ModelEngine, model: ModelRef, signal: AbortSignal): Promise<void>
  pools(): Iterable<Pool>
  /** The last choices of what to evict, the newest last. */
  choices(): readonly EvictionChoice[]
  /** Asks an endpoint what it holds, and corrects the books. Rejects as the engine's `observe` does. */
  observe(engine: ModelEngine, signal: AbortSignal): Promise<void>
  /** Stops loads, tells all who wait CACHE_CLOSED, closes the engines. */
  close(): Promise<void>
}

export function createModelCache(parts: ModelCacheParts): ModelCache {
  const inside = wire(parts)
  const { book, pools, letGo } = inside
  return {
    find: (engine, model) => book.find(engine, model),
    entries: () => book.entries(),
    pools: () => pools.values(),
    choices: () => inside.choices,
    preload: async (wish, options) => (await ask(wish, options, inside)).arrival,
    use: (wish, options, work) => use(wish, options, work, inside),
    evict: (engine, model, { force, signal }) =>
      evict(book.find(engine, model), force, AbortSignal.any([signal, inside.closing.signal]), letGo),
    setPinned(engine, model, pinned) {
      const entry = book.find(engine, model)
      if (entry === null) return false
      entry.pinned = pinned
      if (pinned) letGo.revive(entry)
      letGo.restTimer(entry)
      poolOf(pools, engine).room.changed()
      return entry.state === 'ready'
    },
    passOnKeepAlive: (engine, model, signal) => passOnKeepAlive(book.find(engine, model), letGo, signal),
    observe: (engine, signal) => inside.observe(engine, signal),
    close: () => close(inside),
  }
}

interface Inside extends ModelCacheParts {
  readonly book: ModelBook
  readonly pools: ReadonlyMap<string, Pool>
  readonly letGo: LetGo
  readonly request: Request
  readonly observe: ModelCache['observe']
  readonly choices: EvictionChoice[]
  readonly closing: AbortController
  readonly bringIn: BringIn
}

const MOST_CHOICES = 100

function wire(parts: ModelCacheParts): Inside {
  const { engines, settings, clock, observer } = parts
  const book = createModelBook()
  const choices: EvictionChoice[] = []
  const closing = new AbortController()
  const shared = { ...settings, clock, observer, closing: closing.signal }
  const entries = () => book.entries()

  const evictAll = ({ set, choice }: ChosenEvictions) => {
    choices.push(choice)
    if (choices.length > MOST_CHOICES) choices.shift()
    observer.chose(choice)
    return Promise.all(set.map((entry) => letGo.drain(entry, choice.reason, false)))
  }
  const pools = createPools(engines, settings, { clock, entries, evict: (chosen) => void evictAll(chosen) })
  const roomOf = (entry: ModelEntry) => poolOf(pools, entry.engine).room
  const onRoomChanged = (entry: ModelEntry) => roomOf(entry).changed()
  const onAbsent = (entry: ModelEntry) => {
    onRoomChanged(entry)
    const [waiter] = entry.waiters
    if (waiter !== undefined && entry.attempt === null && !closing.signal.aborted)
      bringIn.start(entry, waiter.wish)
  }
  const letGo = createLetGo({ ...shared, onRoomChanged, onAbsent })
  const observe: ModelCache['observe'] = (engine, signal) => {
    const pool = poolOf(pools, engine)
    return observeEndpoint(
      engine,
      { clock, entries, pool, lost: (entry, error) => letGo.lost(entry, error) },
      signal,
    )
  }
  const evictForMemory = async (chosen: ChosenEvictions) => void (await evictAll(chosen))
  const bringIn = createBringIn({ ...shared, letGo, roomOf, observe, evictForMemory })
  const request = createRequests({
    ...shared,
    bringIn: (entry, wish) => bringIn.start(entry, wish),
    letGo,
    onRequest: (entry, now) => poolOf(pools, entry.engine).shares.count(entry.key, now),
    onWaiting: onRoomChanged,
  })
  return { ...parts, book, pools, letGo, request, observe, choices, closing, bringIn }
}

async function ask(
  wish: ModelWish,
  options: RequestOptions,
  { book, pools, settings, clock, request, observer }: Inside,
): Promise<{ readonly entry: ModelEntry; readonly arrival: Arrival }> {
  const { ledger } = poolOf(pools, wish.engine)
  const { keepAliveMs } = settings
  const entry = book.entryOf(wish, { ledger, keepAliveMs, now: clock.now() })
  try {
    const arrival = await request(entry, wish, options)
    observer.requested(wish.engine.name, arrival.kind === 'refused' ? 'refused' : arrival.how)
    return { entry, arrival }
  } catch (error) {
    const isWrongGuess = wish.isGuess && isModelError(error) && error.code === 'MODEL_NOT_FOUND'
    if (!options.signal.aborted && !isWrongGuess) observer.requested(wish.engine.name, 'failed')
    throw error
  }
}

async function use<T>(
  wish: ModelWish,
  options: RequestOptions,
  work: (loaded: LoadedModel, how: Arrived) => Promise<T>,
  inside: Inside,
): Promise<{ readonly arrival: Arrival; readonly value: T | null }> {
  const held: { loaded?: LoadedModel } = {}
  const hold = (loaded: LoadedModel) => void (held.loaded = loaded)
  const { entry, arrival } = await ask(wish, { ...options, hold }, inside)
  const { loaded } = held
  if (arrival.kind === 'refused' || loaded === undefined) return { arrival, value: null }
  try {
    return { arrival, value: await work(loaded, arrival.how) }
  } finally {
    inside.letGo.useEnded(entry, loaded)
  }
}

async function passOnKeepAlive(entry: ModelEntry | null, letGo: LetGo, signal: AbortSignal): Promise<void> {
  if (entry?.state !== 'ready' || entry.loaded === null || !entry.engine.sharedEndpoint) return
  const { loaded } = entry
  // in use: an endpoint that is told while it unloads would load the model anew
  entry.uses += 1
  try {
    await keepAtEndpoint(entry, endpointKeepAlive(entry), signal)
  } finally {
    letGo.useEnded(entry, loaded)
  }
}

async function evict(
  entry: ModelEntry | null,
  force: boolean,
  signal: AbortSignal,
  letGo: LetGo,
): Promise<Evicted> {
  if (entry === null) return 'absent'
  if (entry.state === 'absent' || entry.state === 'failed') {
    // one that was lost would be loaded again
    if (force) entry.pinned = false
    return 'absent'
  }
  if (entry.attempt !== null && entry.leaving === null) return 'loading'
  if (entry.pinned && !force) return 'pinned'
  // else the next reconciliation would load it again
  entry.pinned = false
  return unlessAborted(letGo.drain(entry, 'asked', force), signal)
}

async function close({ book, closing, bringIn, engines }: Inside): Promise<void> {
  closing.abort(new ModelError('CACHE_CLOSED', 'the model cache is closed'))
  for (const entry of book.entries()) {
    entry.cancelIdleTimer()
    entry.attempt?.controller.abort(closing.signal.reason)
    for (const waiter of entry.waiters) waiter.reject(closing.signal.reason)
    entry.waiters.clear()
  }
  await bringIn.ended()
  await Promise.all(engines.map((engine) => engine.close()))
}

/** The work goes on when the one who waits for it does not. */
function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const stop = () => reject(signal.reason as Error)
    if (signal.aborted) stop()
    signal.addEventListener('abort', stop, { once: true })
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop))
  })
}
