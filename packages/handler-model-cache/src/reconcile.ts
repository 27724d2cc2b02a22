import type { Catalog } from './catalog.js'
import type { ModelEngine } from './engine.js'
import { isModelError, refusalError } from './errors.js'
import type { ModelCache } from './model-cache.js'
import type { ModelWish } from './model-entry.js'
import { payloadSchema } from './payload.js'

export interface Reconciled {
  /** Models that were loaded again. */
  readonly loaded: readonly string[]
  readonly failed: readonly { readonly what: string; readonly error: Error }[]
}

/** Never rejects but with the signal's reason. */
export type Reconcile = (signal: AbortSignal) => Promise<Reconciled>

export interface ReconcileAround {
  readonly cache: ModelCache
  readonly catalog: Catalog
  readonly engines: readonly ModelEngine[]
  /** Names that every replica keeps in memory. */
  readonly warm: readonly string[]
}

/**
 * Brings the books in line with the world: asks the endpoints what they hold (what went is absent, what others hold counts), then loads the warm list and
 * what is pinned where that is missing.
 */
export function createReconcile(around: ReconcileAround): Reconcile {
  return async (signal) => {
    const seen = await lookAtEndpoints(around, signal)
    const brought = await Promise.all(keptWishes(around).map((one) => bringBack(one, around, signal)))
    signal.throwIfAborted()
    return {
      loaded: brought.filter(({ how }) => how === 'loaded').map(({ what }) => what),
      failed: [...seen, ...brought].flatMap(({ what, error }) => (error === null ? [] : [{ what, error }])),
    }
  }
}

export interface Outcome {
  readonly what: string
  readonly how?: string
  /** Pins or urgent models keep the room: trying again changes nothing by itself. */
  readonly isRefused?: boolean
  readonly error: Error | null
}

/** A name, and the places where its model may be, the likeliest first. */
export interface Wanted {
  readonly what: string
  readonly wishes: readonly ModelWish[]
}

/** Never rejects. */
export function lookAtEndpoints(around: ReconcileAround, signal: AbortSignal): Promise<readonly Outcome[]> {
  return Promise.all(around.engines.map((engine) => look(engine, around, signal)))
}

/** What is to be in memory: the warm list and what is pinned. */
export function keptWishes(around: ReconcileAround): readonly Wanted[] {
  return [...wantedWishes(around), ...pinnedWishes(around)]
}

async function look(engine: ModelEngine, { cache }: ReconcileAround, signal: AbortSignal): Promise<Outcome> {
  const what = engine.endpoint
  // an endpoint that nobody asked for anything may well not be there
  const isAsked = [...cache.entries()].some((entry) => entry.engine === engine)
  try {
    if (isAsked) await cache.observe(engine, signal)
    return { what, error: null }
  } catch (error) {
    return { what, error: asError(error) }
  }
}

/** A warm model asks for room like any other, and pushes no other one of the list out: the list has to fit. It does not go for idleness. */
export function wantedWishes({ warm, catalog }: Pick<ReconcileAround, 'warm' | 'catalog'>): Wanted[] {
  return warm.map((what) => {
    const payload = payloadSchema.parse({
      model_id: what,
      priority: 'critical',
      evict: 'lower_priority',
      keep_alive: -1,
    })
    if (payload.operation !== 'preload') throw new Error('a payload without an operation is a preload')
    return { what, wishes: catalog.wishesOf(payload) }
  })
}

function pinnedWishes({ cache }: ReconcileAround): Wanted[] {
  return [...cache.entries()]
    .filter(({ pinned, wish }) => pinned && wish !== null)
    .map(({ model, wish }) => ({ what: model.modelId, wishes: wish === null ? [] : [wish] }))
}

/** The first of the wishes whose model is found. What is in memory is left as it is, and not counted as a request. Never rejects. */
export async function bringBack(
  { what, wishes }: Wanted,
  { cache }: Pick<ReconcileAround, 'cache'>,
  signal: AbortSignal,
): Promise<Outcome> {
  const isThere = wishes.some(({ engine, model }) => cache.find(engine, model)?.state === 'ready')
  if (isThere) return { what, how: 'hit', error: null }
  let first: Error | null = null
  for (const wish of wishes) {
    try {
      const arrival = await cache.preload(wish, { signal })
      if (arrival.kind === 'ready') return { what, how: arrival.how, error: null }
      return { what, isRefused: true, error: refusalError(what, arrival.reason) }
    } catch (error) {
      first ??= asError(error)
      if (!isModelError(error) || error.code !== 'MODEL_NOT_FOUND') return { what, error: asError(error) }
    }
  }
  return { what, error: first }
}

function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown))
}
