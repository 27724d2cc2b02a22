import type { RunContext } from '@mcp-worker/runtime'
import type { Catalog, Place } from './catalog.js'
import { classify } from './classify.js'
import type { CacheClock } from './clock.js'
import type { WarmupTimes } from './engine.js'
import { isModelError } from './errors.js'
import type { ModelCache } from './model-cache.js'
import type { Arrival, ModelEntry, ModelWish } from './model-entry.js'
import type { LoadingPayload, ModelCacheResult, NamedPayload, Payload } from './payload.js'
import type { Reconcile } from './reconcile.js'
import { budgetOf, bytesOf, describeModel, describeModels, warmthOf } from './status.js'

export interface OperationsAround {
  readonly cache: ModelCache
  readonly catalog: Catalog
  readonly clock: CacheClock
  readonly rateHalfLifeMs: number
  readonly replica: string
  readonly reconcile: Reconcile
}

/** What the work needs of the runtime's context; tests give it by hand. */
export type TaskContext = Pick<RunContext<unknown, unknown, unknown>, 'signal' | 'progress'>

const MOST_LISTED = 100

/** Does what the payload says; rejects with errors that the runtime classes. */
export async function perform(
  payload: Payload,
  context: TaskContext,
  around: OperationsAround,
): Promise<ModelCacheResult> {
  try {
    return await operate(payload, context, around)
  } catch (error) {
    throw classify(error)
  }
}

async function operate(
  payload: Payload,
  context: TaskContext,
  around: OperationsAround,
): Promise<ModelCacheResult> {
  switch (payload.operation) {
    case 'preload':
    case 'warmup':
    case 'pin':
      return load(payload, context, around)
    case 'unpin':
    case 'evict':
      return letGo(payload, context, around)
    case 'status':
      return tell(payload, around)
    case 'reconcile':
      return reconcileNow(context, around)
  }
}

// ── preload, warmup, pin ──────────────────────────────────────────────────────────────────────────────────────────────

async function load(
  payload: LoadingPayload,
  context: TaskContext,
  around: OperationsAround,
): Promise<ModelCacheResult> {
  const startedAt = around.clock.now()
  const { wish, arrival, warmth } = await firstFound(around.catalog.wishesOf(payload), (candidate) =>
    bring(payload, candidate, context, around),
  )
  const entry = around.cache.find(wish.engine, wish.model)
  return {
    ...resultFor(payload, wish, entry, around),
    outcome: arrival.kind === 'ready' ? arrival.how : 'refused',
    reason: arrival.kind === 'refused' ? arrival.reason : null,
    evicted: evictedFor(wish.model.modelId, startedAt, around),
    ...(warmth !== null && { warmup: warmthOf({ warmth }) }),
  }
}

interface Brought {
  readonly wish: ModelWish
  readonly arrival: Arrival
  /** Of a warmup that this request ran by itself. */
  readonly warmth: WarmupTimes | null
}

async function bring(
  payload: LoadingPayload,
  wish: ModelWish,
  { signal, progress }: TaskContext,
  { cache }: OperationsAround,
): Promise<Brought> {
  // an engine that does not say how much there is does not count bytes either
  const report = (done: number, total: number | null) =>
    progress(done, total, total === null ? 'loading' : 'bytes read')
  const options = { signal, progress: report }
  const warmup = payload.operation === 'warmup' ? wish.warmup : null
  if (warmup === null) return { wish, arrival: await cache.preload(wish, options), warmth: null }
  // a load that this request starts runs the warmup itself; what was there already is warmed now
  const { arrival, value } = await cache.use(wish, options, async (loaded, how) =>
    how === 'loaded' ? null : loaded.warmup({ ...warmup, signal }),
  )
  return { wish, arrival, warmth: value }
}

/** Tries the places in turn as long as the engine does not find the model; the error is that of the first, as it was written. */
async function firstFound<P, T>(places: readonly P[], attempt: (place: P) => Promise<T>): Promise<T> {
  let first: unknown = null
  for (const place of places) {
    try {
      return await attempt(place)
    } catch (error) {
      first ??= error
      if (!isModelError(error) || error.code !== 'MODEL_NOT_FOUND') throw error
    }
  }
  throw first
}

function evictedFor(
  modelId: string,
  since: number,
  { cache }: OperationsAround,
): ModelCacheResult['evicted'] {
  return cache
    .choices()
    .filter(({ at, forModel }) => at >= since && forModel === modelId)
    .flatMap(({ candidates, reason }) =>
      candidates.filter(({ chosen }) => chosen).map((one) => ({ model: one.modelId, reason })),
    )
}

// ── unpin, evict ──────────────────────────────────────────────────────────────────────────────────────────────────────

async function letGo(
  payload: NamedPayload,
  { signal }: TaskContext,
  around: OperationsAround,
): Promise<ModelCacheResult> {
  const { cache } = around
  const { engine, model } = placeInMemory(payload, around)
  if (payload.operation === 'unpin') {
    cache.setPinned(engine, model, false)
    await cache.passOnKeepAlive(engine, model, signal)
    const entry = cache.find(engine, model)
    const outcome = entry?.state === 'ready' ? 'hit' : 'absent'
    return { ...resultFor(payload, { engine, model }, entry, around), outcome }
  }
  const how = await cache.evict(engine, model, { force: payload.force, signal })
  const result = resultFor(payload, { engine, model }, cache.find(engine, model), around)
  if (how === 'evicted' || how === 'gone')
    return { ...result, outcome: 'evicted', evicted: [{ model: model.modelId, reason: 'asked' }] }
  return how === 'absent' ? { ...result, outcome: 'absent' } : { ...result, outcome: 'refused', reason: how }
}

/** The place where the model is in memory, else where it is to be again, else where something of it is remembered, else the first. */
function placeInMemory(
  named: {
    readonly model_id: string
    readonly revision?: string | undefined
    readonly engine?: string | undefined
  },
  { catalog, cache }: OperationsAround,
): Place {
  const places = catalog.placesOf(named)
  const withEntry = (fits: (entry: ModelEntry) => boolean) =>
    places.find(({ engine, model }) => {
      const entry = cache.find(engine, model)
      return entry !== null && fits(entry)
    })
  const place =
    withEntry(({ state }) => state !== 'absent' && state !== 'failed') ??
    withEntry(({ pinned }) => pinned) ??
    withEntry(({ failure }) => !isModelError(failure?.error) || failure.error.code !== 'MODEL_NOT_FOUND') ??
    places[0]
  if (place === undefined) throw new Error(`${named.model_id} has no place`)
  return place
}

// ── status, reconcile ─────────────────────────────────────────────────────────────────────────────────────────────────

function tell(
  payload: Extract<Payload, { operation: 'status' }>,
  around: OperationsAround,
): ModelCacheResult {
  const { model_id } = payload
  if (model_id === undefined)
    return { ...emptyResult('status', around), models: describeModels(around, true).slice(0, MOST_LISTED) }
  const place = placeInMemory({ ...payload, model_id }, around)
  const entry = around.cache.find(place.engine, place.model)
  return {
    ...resultFor({ operation: 'status', model_id }, place, entry, around),
    outcome: entry?.state === 'ready' || entry?.state === 'draining' ? 'hit' : 'absent',
    models: entry === null ? [] : [describeModel(entry, around)],
  }
}

async function reconcileNow({ signal }: TaskContext, around: OperationsAround): Promise<ModelCacheResult> {
  const { loaded, failed } = await around.reconcile(signal)
  const result = {
    ...emptyResult('reconcile', around),
    models: describeModels(around, false).slice(0, MOST_LISTED),
  }
  if (failed.length > 0)
    return {
      ...result,
      outcome: 'partial',
      reason: failed
        .map(({ error }) => error.message)
        .join('; ')
        .slice(0, 4000),
    }
  return { ...result, outcome: loaded.length > 0 ? 'loaded' : 'hit' }
}

// ── results ───────────────────────────────────────────────────────────────────────────────────────────────────────────

function resultFor(
  { operation, model_id }: { readonly operation: Payload['operation']; readonly model_id: string },
  { engine }: Place,
  entry: ModelEntry | null,
  around: OperationsAround,
): ModelCacheResult {
  return {
    ...emptyResult(operation, around),
    model_id,
    engine: engine.name,
    load_seconds: entry === null || entry.loadMs === 0 ? null : Math.round(entry.loadMs) / 1000,
    warmup: entry && warmthOf(entry),
    bytes: entry && bytesOf(entry),
    replicas: [{ replica: around.replica, state: entry?.state ?? 'absent' }],
    budget: budgetOf(around.cache, engine.pool),
  }
}

function emptyResult(operation: Payload['operation'], { replica }: OperationsAround): ModelCacheResult {
  return {
    operation,
    outcome: 'hit',
    reason: null,
    model_id: null,
    engine: null,
    load_seconds: null,
    warmup: null,
    bytes: null,
    evicted: [],
    replicas: [{ replica, state: 'ready' }],
    budget: null,
    models: [],
  }
}
