import { createBringIn } from './bring-in.js'
import type { CacheClock } from './clock.js'
import type { LoadedModel, ModelEngine, ModelRef } from './engine.js'
import { ModelError } from './errors.js'
import { createLedger, type Ledger } from './ledger.js'
import { createLetGo } from './let-go.js'
import {
  createEntry,
  keyOf,
  type Arrival,
  type Arrived,
  type Drained,
  type EvictReason,
  type ModelEntry,
  type ModelWish,
} from './model-entry.js'
import type { CacheObserver } from './observer.js'
import { createRequests, type RequestOptions } from './requests.js'
import { createRoom, type EvictionChoice, type Room, type RoomSettings } from './room.js'

export interface ModelCacheSettings extends RoomSettings {
  /** The limit of each pool in bytes; a pool that is not named is not limited. */
  readonly limits: ReadonlyMap<string, number>
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

interface Pool {
  readonly ledger: Ledger<ModelEntry>
  readonly room: Room
}

/**
 * Models in memory within a budget: one load per (endpoint, model, revision) however many ask, bytes reserved before each load, the cheapest idle
 * models evicted for it, never one that is in use or pinned. states.ts has the life of a model; the work is in requests.ts (asking), room.ts (who gets
 * the memory), bring-in.ts (loading) and let-go.ts (unloading).
 */
export interface ModelCache {
  /** Loads it if need be. `hit`, `loaded` (this request did it), `joined` (another one's load), or refused. */
  preload(wish: ModelWish, options: RequestOptions): Promise<Arrival>
  /** Runs `work` with the model in memory, loading it if need be; it is not evicted meanwhile. */
  use<T>(
    wish: ModelWish,
    options: RequestOptions,
    work: (loaded: LoadedModel, how: Arrived) => Promise<T>,
  ): Promise<{ readonly arrival: Arrival; readonly value: T | null }>
  /**
   * Unloads as soon as its last use ends. `revived`: a request came first (not where forced). Left alone: `pinned` and not forced, `loading` (somebody
   * waits for it), `absent`.
   */
  evict(
    engine: ModelEngine,
    model: ModelRef,
    options: { readonly force: boolean; readonly signal: AbortSignal },
  ): Promise<Drained | 'pinned' | 'loading' | 'absent'>
  /** Keeps a model, present or future, from being evicted. False: it is not in memory. */
  setPinned(engine: ModelEngine, model: ModelRef, pinned: boolean): boolean
  find(engine: ModelEngine, model: ModelRef): ModelEntry | null
  entries(): Iterable<ModelEntry>
  pools(): Iterable<Pool>
  /** The last choices of what to evict, the newest last. */
  choices(): readonly EvictionChoice[]
  /** `reserved`: of loads under way; `used`: everything else that is counted, that of others included. */
  bytesIn(pool: string): { readonly used: number; readonly reserved: number }
  /** The endpoint no longer has it. */
  lost(entry: ModelEntry, error: Error): void
  /** What others hold in a shared pool. */
  setOutside(pool: string, bytes: number): void
  /** Stops loads, tells all who wait CACHE_CLOSED, closes the engines. */
  close(): Promise<void>
}

/** Models that are not in memory and of which something is remembered: rate, load time, size. */
const MOST_REMEMBERED = 1000
const MOST_CHOICES = 100

export function createModelCache({ engines, settings, clock, observer }: ModelCacheParts): ModelCache {
  const entries = new Map<string, ModelEntry>()
  const closing = new AbortController()
  const attempts = new Set<Promise<void>>()
  const choices: EvictionChoice[] = []

  const evictAll = (chosen: readonly ModelEntry[], reason: EvictReason, choice: EvictionChoice) => {
    choices.push(choice)
    if (choices.length > MOST_CHOICES) choices.shift()
    observer.chose(choice)
    return Promise.all(chosen.map((entry) => letGo.drain(entry, reason, false)))
  }
  const pools = createPools(engines, settings, {
    clock,
    entries: () => entries.values(),
    evict: (chosen, choice) => void evictAll(chosen, 'room', choice),
  })
  const roomOf = (entry: ModelEntry): Room => poolOf(pools, entry.engine).room
  const track = (work: Promise<void>) => {
    attempts.add(work)
    void work.finally(() => attempts.delete(work))
    return work
  }
  const letGo = createLetGo({
    clock,
    observer,
    unloadTimeoutMs: settings.unloadTimeoutMs,
    closing: closing.signal,
    onIdle: (entry) => roomOf(entry).changed(),
    onAbsent(entry) {
      roomOf(entry).changed()
      const [waiter] = entry.waiters
      if (closing.signal.aborted) return
      if (waiter !== undefined && entry.attempt === null) void bringIn(entry, waiter.wish)
    },
  })
  const bringInOne = createBringIn({
    clock,
    observer,
    letGo,
    roomOf,
    evictForMemory: async (chosen, choice) => void (await evictAll(chosen, 'memory', choice)),
    thrashWindowMs: settings.thrashWindowMs,
    closing: closing.signal,
  })
  const bringIn = (entry: ModelEntry, wish: ModelWish) => track(bringInOne(entry, wish))
  const request = createRequests({
    clock,
    bringIn,
    letGo,
    rateHalfLifeMs: settings.rateHalfLifeMs,
    closing: closing.signal,
    onWaiting: (entry) => roomOf(entry).changed(),
  })

  function entryOf(wish: ModelWish): ModelEntry {
    const key = keyOf(wish.engine, wish.model)
    const known = entries.get(key)
    if (known) return known
    forgetOldest(entries)
    const { keepAliveMs = settings.keepAliveMs } = wish
    const entry = createEntry({ ...wish, keepAliveMs }, poolOf(pools, wish.engine).ledger, clock.now())
    entries.set(key, entry)
    return entry
  }
  async function asked(wish: ModelWish, options: RequestOptions) {
    const entry = entryOf(wish)
    try {
      const arrival = await request(entry, wish, options)
      observer.requested(wish.engine.name, arrival.kind === 'refused' ? 'refused' : arrival.how)
      return { entry, arrival }
    } catch (error) {
      if (!options.signal.aborted) observer.requested(wish.engine.name, 'failed')
      throw error
    }
  }
  const find: ModelCache['find'] = (engine, model) => entries.get(keyOf(engine, model)) ?? null

  return {
    find,
    entries: () => entries.values(),
    pools: () => pools.values(),
    choices: () => choices,
    bytesIn(name) {
      const { ledger } = pools.get(name) ?? { ledger: createLedger<ModelEntry>(name, null) }
      const loading = [...entries.values()].filter(({ state }) => state === 'queued' || state === 'loading')
      const reserved = loading.reduce((sum, entry) => sum + ledger.bytesOf(entry), 0)
      return { used: ledger.total() - reserved, reserved }
    },
    preload: async (wish, options) => (await asked(wish, options)).arrival,
    async use(wish, options, work) {
      const { entry, arrival } = await asked(wish, { ...options, holds: true })
      if (arrival.kind === 'refused') return { arrival, value: null }
      const { loaded } = entry
      try {
        if (loaded === null)
          throw new ModelError('MODEL_GONE', `${entry.model.modelId} was lost before its use`)
        return { arrival, value: await work(loaded, arrival.how) }
      } finally {
        letGo.useEnded(entry)
      }
    },
    async evict(engine, model, { force, signal }) {
      const entry = find(engine, model)
      if (entry === null || entry.state === 'absent' || entry.state === 'failed') return 'absent'
      if (entry.attempt !== null && entry.leaving === null) return 'loading'
      if (entry.pinned && !force) return 'pinned'
      return unlessAborted(letGo.drain(entry, 'asked', force), signal)
    },
    setPinned(engine, model, pinned) {
      const entry = find(engine, model)
      if (entry === null) return false
      entry.pinned = pinned
      if (pinned) letGo.revive(entry)
      letGo.restTimer(entry)
      roomOf(entry).changed()
      return entry.state === 'ready'
    },
    lost: (entry, error) => letGo.lost(entry, error),
    setOutside(name, bytes) {
      const pool = pools.get(name)
      if (pool === undefined) return
      pool.ledger.outside = bytes
      pool.room.changed()
    },
    async close() {
      closing.abort(new ModelError('CACHE_CLOSED', 'the model cache is closed'))
      for (const entry of entries.values()) {
        entry.cancelIdleTimer()
        entry.attempt?.controller.abort(closing.signal.reason)
        for (const waiter of entry.waiters) waiter.reject(closing.signal.reason)
        entry.waiters.clear()
      }
      await Promise.all(attempts)
      await Promise.all(engines.map((engine) => engine.close()))
    },
  }
}

type PoolsAround = Omit<Parameters<typeof createRoom>[0], 'ledger' | 'settings'>

function createPools(
  engines: readonly ModelEngine[],
  settings: ModelCacheSettings,
  around: PoolsAround,
): ReadonlyMap<string, Pool> {
  const names = new Set(engines.map(({ pool }) => pool))
  return new Map(
    [...names].map((name) => {
      const ledger = createLedger<ModelEntry>(name, settings.limits.get(name) ?? null)
      const entries = () => [...around.entries()].filter((entry) => entry.ledger === ledger)
      return [name, { ledger, room: createRoom({ ...around, ledger, settings, entries }) }]
    }),
  )
}

function poolOf(pools: ReadonlyMap<string, Pool>, engine: ModelEngine): Pool {
  const pool = pools.get(engine.pool)
  if (pool === undefined)
    throw new ModelError('ENGINE_UNKNOWN', `expected an engine of this cache, got ${engine.name}`)
  return pool
}

/** Those longest known go first: the map keeps the order of arrival. */
function forgetOldest(entries: Map<string, ModelEntry>): void {
  if (entries.size < MOST_REMEMBERED) return
  for (const [key, entry] of entries) {
    if (entry.state !== 'absent' || entry.pinned || entry.waiters.size > 0 || entry.attempt !== null) continue
    entries.delete(key)
    return
  }
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
