import { onTestFinished } from 'vitest'
import type { Arrival, ModelWish } from '../src/model-entry.js'
import { createModelCache, type ModelCacheSettings } from '../src/model-cache.js'
import type { CacheObserver } from '../src/observer.js'
import { createControlledEngine, type ControlledEngine, type ControlledOptions } from './controlled-engine.js'
import { createSteppedClock, settled } from './stepped-clock.js'

export interface HarnessOptions extends ControlledOptions {
  readonly limit?: number | null
  readonly settings?: Partial<ModelCacheSettings>
}

type Asked = Promise<Arrival> & {
  /** What became of it so far. */
  readonly seen: () => Arrival['kind'] | 'waiting' | Error
  readonly cancel: () => void
}

/** A cache over one controlled engine, on stepped time. */
export function openCache(
  sizes: Readonly<Record<string, number>>,
  { limit = 100, settings = {}, ...engineOptions }: HarnessOptions = {},
) {
  const clock = createSteppedClock()
  const test: ControlledEngine = createControlledEngine(sizes, engineOptions)
  const told: unknown[][] = []
  const observer = recordingObserver(told)
  const cache = createModelCache({
    engines: [test.engine],
    clock,
    observer,
    settings: {
      policy: 'plan',
      limits: new Map(limit === null ? [] : [[test.engine.pool, limit]]),
      minResidencyMs: 0,
      roomWaitMs: 30_000,
      rateHalfLifeMs: 600_000,
      keepAliveMs: null,
      unloadTimeoutMs: 30_000,
      thrashWindowMs: 600_000,
      ...settings,
    },
  })
  onTestFinished(() => cache.close())
  const wishFor = (modelId: string, wish: Partial<ModelWish> = {}): ModelWish => ({
    model: { modelId, revision: null, digest: null },
    engine: test.engine,
    priority: 1,
    evict: 'any',
    memoryBytes: null,
    warmup: null,
    keepAliveMs: undefined,
    isGuess: false,
    pin: false,
    force: false,
    ...wish,
  })
  const signal = new AbortController().signal

  function preload(modelId: string, wish: Partial<ModelWish> = {}): Asked {
    const controller = new AbortController()
    let seen: Arrival['kind'] | 'waiting' | Error = 'waiting'
    const arrival = cache.preload(wishFor(modelId, wish), { signal: controller.signal })
    const watched = arrival.then(
      (one) => {
        seen = one.kind
        return one
      },
      (error: Error) => {
        seen = error
        throw error
      },
    )
    watched.catch(() => {})
    return Object.assign(watched, {
      seen: () => seen,
      cancel: () => controller.abort(new Error('cancelled')),
    })
  }

  /** Loads without further ado; the test must not have other steps of the model open. */
  async function loadAll(...modelIds: string[]): Promise<void> {
    for (const modelId of modelIds) {
      const asked = preload(modelId)
      await settled()
      test.loads.of(modelId).resolve({})
      await asked
    }
  }

  /** Uses a model until `end` is called. */
  async function use(modelId: string) {
    const held: { end?: () => void } = {}
    const work = new Promise<void>((resolve) => (held.end = resolve))
    const done = cache.use(wishFor(modelId), { signal }, () => work)
    done.catch(() => {})
    await settled()
    return { done, end: () => held.end?.() }
  }

  return {
    cache,
    clock,
    test,
    told,
    preload,
    loadAll,
    use,
    wishFor,
    evict: (modelId: string, force = false) => cache.evict(test.engine, modelOf(modelId), { force, signal }),
    pin: (modelId: string, pinned = true) => cache.setPinned(test.engine, modelOf(modelId), pinned),
    stateOf: (modelId: string) => cache.find(test.engine, modelOf(modelId))?.state ?? 'absent',
    counted: () => [...cache.pools()][0]?.ledger.total() ?? 0,
  }
}

export type Harness = ReturnType<typeof openCache>

function recordingObserver(told: unknown[][]): CacheObserver {
  const note =
    (what: string) =>
    (...facts: unknown[]) =>
      void told.push([what, ...facts])
  return {
    requested: note('requested'),
    loadEnded: note('loadEnded'),
    warmed: note('warmed'),
    evicted: note('evicted'),
    chose: note('chose'),
    gone: note('gone'),
    unloadFailed: note('unloadFailed'),
  }
}

function modelOf(modelId: string) {
  return { modelId, revision: null, digest: null }
}
