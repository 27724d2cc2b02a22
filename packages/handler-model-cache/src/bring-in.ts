import type { CacheClock } from './clock.js'
import type { LoadedModel, ModelEngine } from './engine.js'
import { isModelError, ModelError, refusalError } from './errors.js'
import { endpointKeepAlive } from './keep-at-endpoint.js'
import type { LetGo } from './let-go.js'
import { backOff, isLoadFailure, noteFailure } from './load-failure.js'
import {
  firstWish,
  keepAliveOf,
  move,
  strongestWish,
  wishToKeep,
  type Arrival,
  type Attempt,
  type ModelEntry,
  type ModelWish,
  type RefusalReason,
} from './model-entry.js'
import type { CacheObserver } from './observer.js'
import type { ChosenEvictions } from './eviction-choice.js'
import type { Room } from './room.js'
import { digestAsked, sizeUp } from './size-up.js'
import { warmUp } from './warm-up.js'

export interface BringInAround {
  readonly clock: CacheClock
  readonly observer: CacheObserver
  readonly letGo: LetGo
  readonly roomOf: (entry: ModelEntry) => Room
  /** Unloads these for `memory`; resolves when their memory is back. */
  readonly evictForMemory: (chosen: ChosenEvictions) => Promise<void>
  /** Evicted for others less than this ago: the load counts as thrash. */
  readonly thrashWindowMs: number
  readonly closing: AbortSignal
  /** Asks the endpoint what others hold there. */
  readonly observe: (engine: ModelEngine, signal: AbortSignal) => Promise<void>
}

/** The way into memory: absent → queued → loading → warming → ready. */
export interface BringIn {
  /** One at a time per entry; who waits for it is told how it ended. */
  start(entry: ModelEntry, wish: ModelWish): void
  /** Resolves when none is under way any more. */
  ended(): Promise<unknown>
}

export function createBringIn(around: BringInAround): BringIn {
  const underWay = new Set<Promise<void>>()
  return {
    start(entry, wish) {
      const attempt = bringIn(entry, wish, around)
      underWay.add(attempt)
      void attempt.finally(() => underWay.delete(attempt))
    },
    ended: () => Promise.all(underWay),
  }
}

/** Never rejects. */
async function bringIn(entry: ModelEntry, wish: ModelWish, around: BringInAround): Promise<void> {
  let next: ModelWish | null = wish
  // again where everybody had given up, and somebody came while the load was being stopped
  while (next !== null) {
    const attempt = beginAttempt(entry, around.clock)
    try {
      const refusal = await bringInOnce(entry, next, attempt, around)
      if (refusal !== null) refuseAll(entry, refusal, around)
    } catch (error) {
      await endFailed(entry, attempt, error, around)
    }
    entry.attempt = null
    next = isOut(entry) ? firstWish(entry) : null
  }
}

function isOut({ state }: ModelEntry): boolean {
  return state === 'absent' || state === 'failed'
}

function beginAttempt(entry: ModelEntry, clock: CacheClock): Attempt {
  const now = clock.now()
  move(entry, 'queued', now)
  const attempt: Attempt = {
    controller: new AbortController(),
    startedAt: now,
    progressAt: now,
    doneBytes: 0,
    totalBytes: null,
    isSized: false,
    estimatedBytes: null,
    peakBytes: null,
    isLoading: false,
    isBlameless: false,
    lost: null,
  }
  entry.attempt = attempt
  return attempt
}

async function bringInOnce(
  entry: ModelEntry,
  first: ModelWish,
  attempt: Attempt,
  around: BringInAround,
): Promise<RefusalReason | null> {
  const { clock, observer } = around
  const room = around.roomOf(entry)
  const { signal } = attempt.controller
  const { wish, bytes } = await sizeUp(entry, attempt, first)
  // what others loaded there since the last look takes room too
  if (entry.ledger.limit !== null) await around.observe(entry.engine, signal)
  const admission = await room.enter(entry, bytes, signal)
  if (!admission.granted) return admission.reason

  const startedAt = clock.now()
  move(entry, 'loading', startedAt)
  attempt.progressAt = startedAt
  attempt.isLoading = true
  const keepAliveMs = endpointKeepAlive(entry)
  const loaded = await loadOrMakeRoom(entry, wish, attempt, around)
  move(entry, 'warming', clock.now())
  adopt(entry, loaded, attempt, around.letGo)
  signal.throwIfAborted()
  await keepWithinLimit(entry, around)
  // who gave the wish that it was loaded by may have left
  entry.warmth = await warmUp(entry, loaded, firstWish(entry) ?? wish, attempt)
  if (entry.warmth !== null) observer.warmed(entry.engine.name, entry.warmth.firstMs)
  await tellWanted(entry, loaded, keepAliveMs, signal)
  signal.throwIfAborted()
  entry.wish = wishToKeep(entry) ?? wish
  becomeReady(entry, clock.now() - startedAt, around)
  return null
}

/** One load; where memory fails, the cheapest set of idle models is evicted and it is tried once more. */
async function loadOrMakeRoom(
  entry: ModelEntry,
  wish: ModelWish,
  attempt: Attempt,
  around: BringInAround,
): Promise<LoadedModel> {
  const load = () => {
    // who came while it waited for room has checked its digest, and the file may have changed since
    const model = { ...wish.model, digest: digestAsked(entry) }
    return entry.engine.load(model, loadOptions(entry, attempt, around.clock))
  }
  try {
    return await load()
  } catch (error) {
    if (!isModelError(error) || error.code !== 'OUT_OF_MEMORY') throw error
    const bytes = entry.ledger.bytesOf(entry)
    const chosen = around.roomOf(entry).chooseFor(entry, bytes)
    if (chosen === null) throw error
    await around.evictForMemory(chosen)
    attempt.controller.signal.throwIfAborted()
    attempt.progressAt = around.clock.now()
    return load()
  }
}

function loadOptions(entry: ModelEntry, attempt: Attempt, clock: CacheClock) {
  return {
    signal: attempt.controller.signal,
    keepAliveMs: endpointKeepAlive(entry),
    progress: (done: number, total: number | null) => {
      attempt.progressAt = clock.now()
      attempt.doneBytes = done
      attempt.totalBytes = total
      for (const waiter of entry.waiters) waiter.progress(done, total)
    },
  }
}

function adopt(entry: ModelEntry, loaded: LoadedModel, attempt: Attempt, letGo: LetGo): void {
  entry.loaded = loaded
  entry.measuredBytes = loaded.measuredBytes
  entry.measuredOf = { digest: entry.digest, estimatedBytes: attempt.estimatedBytes }
  if (loaded.measuredBytes !== null) entry.ledger.correct(entry, loaded.measuredBytes)
  loaded.onGone((error) => {
    // a later load of the same model is another one's matter
    if (entry.loaded !== loaded) return
    if (entry.state !== 'warming') return letGo.lost(entry, error)
    attempt.lost = error
    attempt.controller.abort(error)
  })
}

/** The load took more than was reserved: others go, or it does. */
async function keepWithinLimit(entry: ModelEntry, around: BringInAround): Promise<void> {
  const { ledger, model } = entry
  const bytes = ledger.bytesOf(entry)
  const room = around.roomOf(entry)
  room.changed()
  // what is on its way out stays counted until it is gone: nobody else gets in before
  const over = -ledger.free() - room.unloading()
  if (over <= 0) return
  const problem = `expected ${model.modelId} to take the ${entry.estimatedBytes} bytes that were reserved in ${ledger.pool}, got ${bytes}`
  if (ledger.limit !== null && bytes > ledger.limit) throw new ModelError('MODEL_OVER_BUDGET', problem)
  const chosen = room.chooseFor(entry, over)
  const freed = (chosen?.set ?? []).reduce((sum, other) => sum + ledger.bytesOf(other), 0)
  if (chosen === null || freed < over) throw new ModelError('NO_ROOM', problem)
  await around.evictForMemory(chosen)
}

/** Who joined meanwhile may want it for another time, also who came while its endpoint was told of that. */
async function tellWanted(
  entry: ModelEntry,
  loaded: LoadedModel,
  loadedWithMs: number | null,
  signal: AbortSignal,
): Promise<void> {
  let toldMs = loadedWithMs
  for (let ms = endpointKeepAlive(entry); ms !== toldMs; ms = endpointKeepAlive(entry)) {
    await loaded.keepFor?.(ms, signal)
    toldMs = ms
  }
}

function becomeReady(entry: ModelEntry, loadMs: number, around: BringInAround): void {
  const { clock, letGo } = around
  const now = clock.now()
  const wasThere = entry.loaded?.wasThere === true
  move(entry, 'ready', now)
  entry.readyAt = now
  entry.lastUsedAt = now
  entry.failure = null
  if (!wasThere) noteLoad(entry, loadMs, around)
  entry.displacedAt = null
  entry.priority = strongestWish(entry).priority
  entry.keepAliveMs = keepAliveOf(entry)
  const [first] = entry.waiters
  for (const waiter of entry.waiters) {
    waiter.hold()
    if (waiter.wish.pin) entry.pinned = true
    waiter.resolve({ kind: 'ready', how: wasThere ? 'hit' : waiter === first ? 'loaded' : 'joined' })
  }
  entry.waiters.clear()
  letGo.restTimer(entry)
  around.roomOf(entry).changed()
}

function noteLoad(
  entry: ModelEntry,
  loadMs: number,
  { clock, observer, thrashWindowMs }: BringInAround,
): void {
  entry.loadMs = loadMs
  const { displacedAt } = entry
  const soonAgain = displacedAt !== null && clock.now() - loadMs - displacedAt < thrashWindowMs
  observer.loadEnded(entry.engine.name, 'loaded', loadMs / 1000, soonAgain)
}

// ── when it does not come to that ─────────────────────────────────────────────────────────────────────────────────────

function refuseAll(entry: ModelEntry, reason: RefusalReason, { clock }: BringInAround): void {
  const refused: Arrival = { kind: 'refused', reason }
  for (const waiter of entry.waiters) waiter.resolve(refused)
  entry.waiters.clear()
  noteFailure(entry, refusalError(entry.model.modelId, reason), clock.now())
  move(entry, 'absent', clock.now())
}

async function endFailed(
  entry: ModelEntry,
  attempt: Attempt,
  thrown: unknown,
  around: BringInAround,
): Promise<void> {
  const { clock, observer } = around
  const { signal } = attempt.controller
  // a warming model whose engine died was aborted too, and that is no cancel
  const cancelled = signal.aborted && attempt.lost === null
  const error = asError(around.closing.aborted ? around.closing.reason : (attempt.lost ?? thrown))
  const seconds = (clock.now() - attempt.startedAt) / 1000
  if (attempt.isLoading)
    observer.loadEnded(entry.engine.name, cancelled ? 'cancelled' : 'failed', seconds, false)
  if (!cancelled || around.closing.aborted) rejectAll(entry, error)
  if (attempt.lost !== null) observer.gone(entry.engine.name, entry.model.modelId, attempt.lost)
  if (entry.loaded !== null) await around.letGo.giveBack(entry)
  else entry.ledger.giveUp(entry)
  const isBackedOff = !cancelled && !attempt.isBlameless && isLoadFailure(error)
  if (!cancelled && !isBackedOff) noteFailure(entry, error, clock.now())
  move(entry, isBackedOff ? 'failed' : 'absent', clock.now())
  if (isBackedOff) {
    backOff(entry, error, clock.now())
    rejectAll(entry, error)
  }
  around.roomOf(entry).changed()
}

function rejectAll(entry: ModelEntry, error: Error): void {
  for (const waiter of entry.waiters) waiter.reject(error)
  entry.waiters.clear()
}

function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown))
}
