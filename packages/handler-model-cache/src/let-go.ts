import { sleepUntil, type CacheClock } from './clock.js'
import { createDeferred } from './deferred.js'
import type { LoadedModel } from './engine.js'
import { endpointKeepAlive } from './keep-at-endpoint.js'
import { move, type Drained, type EvictReason, type ModelEntry } from './model-entry.js'
import type { CacheObserver } from './observer.js'

export interface LetGoAround {
  readonly clock: CacheClock
  readonly observer: CacheObserver
  readonly unloadTimeoutMs: number
  /** Idle time of a model that is loaded the next time, unless a request says otherwise; null: never for idleness. */
  readonly keepAliveMs: number | null
  /** Aborted when the cache closes: unloads are given up then, the engines' `close` frees what they hold. */
  readonly closing: AbortSignal
  /** The entry has left memory: its bytes are free, and whoever waits for it is to be served. */
  readonly onAbsent: (entry: ModelEntry) => void
  /** It may be evictable now, or does not leave after all. */
  readonly onRoomChanged: (entry: ModelEntry) => void
}

/** The way out of memory: ready → draining → unloading → absent. */
export interface LetGo {
  /**
   * Unloads a ready model as soon as its last use ends; one that leaves already is joined. Resolves when the memory is back, or when a request revived
   * it.
   */
  drain(entry: ModelEntry, reason: EvictReason, forced: boolean): Promise<Drained>
  /** A request for a draining model: true where it is ready again. */
  revive(entry: ModelEntry): boolean
  /** Of a model that was lost meanwhile: nothing to do. */
  useEnded(entry: ModelEntry, loaded: LoadedModel): void
  /** (Re)starts the time after which an idle model is unloaded. */
  restTimer(entry: ModelEntry): void
  /** The engine lost the model, or its time on a shared endpoint is over: its bytes are free at once. */
  lost(entry: ModelEntry, error: Error): void
  /** Unloads until it has worked, and frees the bytes. Leaves the entry `unloading`. */
  giveBack(entry: ModelEntry): Promise<void>
}

const FIRST_RETRY_MS = 1000
const LAST_RETRY_MS = 30_000

export function createLetGo(around: LetGoAround): LetGo {
  const { clock } = around
  return {
    drain: (entry, reason, forced) => drain(entry, reason, forced, around),
    giveBack: (entry) => giveBack(entry, around),
    restTimer: (entry) => restTimer(entry, around),
    revive(entry) {
      if (entry.state !== 'draining' || entry.leaving?.forced !== false) return false
      const { end } = entry.leaving
      entry.leaving = null
      move(entry, 'ready', clock.now())
      end('revived')
      restTimer(entry, around)
      // what counted as leaving stays: the head of the line may want others instead
      around.onRoomChanged(entry)
      return true
    },
    useEnded(entry, loaded) {
      if (entry.loaded !== loaded) return
      entry.uses -= 1
      entry.lastUsedAt = clock.now()
      if (entry.uses > 0) return
      if (entry.state === 'draining') void leaveMemory(entry, around)
      else restTimer(entry, around)
      around.onRoomChanged(entry)
    },
    lost(entry, error) {
      if (entry.state !== 'ready' && entry.state !== 'draining') return
      const { leaving, engine, model } = entry
      const isExpiry = hasExpired(entry)
      entry.cancelIdleTimer()
      forget(entry, clock.now())
      // one that was lost comes back as it was
      if (isExpiry) entry.keepAliveMs = around.keepAliveMs
      move(entry, 'absent', clock.now())
      if (isExpiry) around.observer.evicted(engine.name, model.modelId, 'idle')
      else around.observer.gone(engine.name, model.modelId, error)
      leaving?.end('gone')
      around.onAbsent(entry)
    },
  }
}

function drain(
  entry: ModelEntry,
  reason: EvictReason,
  forced: boolean,
  around: LetGoAround,
): Promise<Drained> {
  if (entry.leaving !== null) {
    entry.leaving.forced ||= forced
    return entry.leaving.done
  }
  const { promise: done, resolve: end } = createDeferred<Drained>()
  move(entry, 'draining', around.clock.now())
  entry.cancelIdleTimer()
  entry.leaving = { reason, forced, done, end }
  if (entry.uses === 0) void leaveMemory(entry, around)
  return done
}

async function leaveMemory(entry: ModelEntry, around: LetGoAround): Promise<void> {
  const { leaving } = entry
  await giveBack(entry, around)
  entry.keepAliveMs = around.keepAliveMs
  move(entry, 'absent', around.clock.now())
  if (leaving) {
    around.observer.evicted(entry.engine.name, entry.model.modelId, leaving.reason)
    if (leaving.reason === 'room' || leaving.reason === 'memory') entry.displacedAt = around.clock.now()
    leaving.end('evicted')
  }
  around.onAbsent(entry)
}

async function giveBack(entry: ModelEntry, around: LetGoAround): Promise<void> {
  const { clock, observer, closing } = around
  move(entry, 'unloading', clock.now())
  for (let waitMs = FIRST_RETRY_MS; !closing.aborted; waitMs = Math.min(waitMs * 2, LAST_RETRY_MS)) {
    const error = await unloadOnce(entry, around)
    if (error === null) break
    observer.unloadFailed(entry.engine.name, entry.model.modelId, error)
    await sleepUntil(clock, waitMs, closing)
  }
  forget(entry, clock.now())
}

function restTimer(entry: ModelEntry, around: LetGoAround): void {
  entry.cancelIdleTimer()
  const { keepAliveMs } = entry
  // a shared endpoint was told, and sees uses that we do not
  const isEndpoints = entry.engine.sharedEndpoint && keepAliveMs !== 0
  if (keepAliveMs === null || isEndpoints || !isIdle(entry)) return
  const left = entry.lastUsedAt + keepAliveMs - around.clock.now()
  entry.cancelIdleTimer = around.clock.after(Math.max(0, left), () => {
    if (isIdle(entry)) void drain(entry, 'idle', false, around)
  })
}

function isIdle({ state, uses, pinned }: ModelEntry): boolean {
  return state === 'ready' && uses === 0 && !pinned
}

/** Its endpoint unloaded it when its time was over, as it was told to: nobody used it for its keep_alive. */
function hasExpired(entry: ModelEntry): boolean {
  return entry.uses === 0 && endpointKeepAlive(entry) !== null && entry.loaded?.hasExpired?.() === true
}

function forget(entry: ModelEntry, now: number): void {
  entry.ledger.release(entry)
  entry.leftAt = now
  entry.loaded = null
  entry.uses = 0
  entry.priority = 0
  entry.warmth = null
  entry.digest = null
  entry.leaving = null
}

/** null: the memory is back. */
async function unloadOnce(
  { loaded }: ModelEntry,
  { clock, unloadTimeoutMs, closing }: LetGoAround,
): Promise<Error | null> {
  const limit = new AbortController()
  const cancel = clock.after(unloadTimeoutMs, () =>
    limit.abort(new Error(`expected the memory back within ${unloadTimeoutMs} ms, got no answer`)),
  )
  try {
    await loaded?.unload(AbortSignal.any([limit.signal, closing]))
    return null
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error))
  } finally {
    cancel()
  }
}
