import { expect, test } from 'vitest'
import { createControlledEngine } from './controlled-engine.js'
import { ModelError } from '../src/errors.js'
import { openCache } from './cache-harness.js'
import { settled } from './stepped-clock.js'

const MODELS = { a: 60, b: 60, c: 30, d: 30, huge: 200 }

test('100 concurrent preloads are 1 load that 99 join', async () => {
  const { preload, test: engine } = openCache(MODELS)
  const asked = Array.from({ length: 100 }, () => preload('a'))
  await settled()
  engine.loads.of('a').resolve({})
  const arrivals = await Promise.all(asked)
  const count = (how: string) => arrivals.filter((one) => one.kind === 'ready' && one.how === how).length
  expect([count('loaded'), count('joined'), engine.loadsOf('a')]).toEqual([1, 99, 1])
  await expect(preload('a')).resolves.toEqual({ kind: 'ready', how: 'hit' })
})

test('when 99 of 100 cancel, the load goes on for the last', async () => {
  const { preload, test: engine, stateOf } = openCache(MODELS)
  const asked = Array.from({ length: 100 }, () => preload('a'))
  await settled()
  for (const one of asked.slice(0, 99)) one.cancel()
  await settled()
  expect(asked[0]?.seen()).toMatchObject({ message: 'cancelled' })
  expect(stateOf('a')).toBe('loading')
  engine.loads.of('a').resolve({})
  await expect(asked[99]).resolves.toEqual({ kind: 'ready', how: 'loaded' })
  expect(engine.log).toEqual(['load a'])
})

test('when all cancel, the load is stopped and its reservation is free', async () => {
  const { preload, test: engine, stateOf, counted } = openCache(MODELS)
  const asked = Array.from({ length: 100 }, () => preload('a'))
  await settled()
  expect(counted()).toBe(60)
  for (const one of asked) one.cancel()
  await settled()
  expect([stateOf('a'), counted(), engine.total()]).toEqual(['absent', 0, 0])
})

test('the bytes of a cancelled load stay reserved until the engine has stopped', async () => {
  const { preload, test: engine, counted, cache } = openCache(MODELS)
  const { engine: plain, loads } = createControlledEngine(MODELS)
  const held: { stop?: () => void } = {}
  engine.engine.load = (model, options) =>
    model.modelId === 'b'
      ? plain.load(model, options)
      : new Promise((_resolve, reject) => {
          const { signal } = options
          signal.addEventListener('abort', () => (held.stop = () => reject(signal.reason as Error)))
        })
  const asked = preload('a')
  const other = preload('b')
  await settled()
  asked.cancel()
  await settled()
  expect([counted(), other.seen()]).toEqual([60, 'waiting'])
  held.stop?.()
  await settled()
  expect(counted()).toBe(60)
  loads.of('b').resolve({})
  await expect(other).resolves.toMatchObject({ how: 'loaded' })
  expect([...cache.entries()].map(({ state }) => state)).toEqual(['absent', 'ready'])
})

test('who asks while a cancelled load is being stopped gets a load of its own', async () => {
  const { preload, test: engine } = openCache(MODELS)
  const first = preload('a')
  await settled()
  first.cancel()
  const second = preload('a')
  await settled()
  engine.loads.of('a').resolve({})
  await expect(second).resolves.toEqual({ kind: 'ready', how: 'loaded' })
  expect(engine.loadsOf('a')).toBe(2)
})

test('two revisions of a model are two loads, two digests are one', async () => {
  const { cache, wishFor, test: engine } = openCache(MODELS)
  const { signal } = new AbortController()
  const digest = `sha256:${'0'.repeat(64)}`
  const ask = (revision: string | null, sum: string | null) =>
    cache.preload(wishFor('c', { model: { modelId: 'c', revision, digest: sum } }), { signal })
  const asked = [ask(null, null), ask(null, digest)]
  await settled()
  expect(engine.loadsOf('c')).toBe(1)
  engine.loads.of('c').resolve({})
  expect(await Promise.all(asked)).toMatchObject([{ how: 'loaded' }, { how: 'joined' }])
})

test('who gives the warmup inputs that do not fit the model fails alone: it is warmed as the next one wishes', async () => {
  const { preload, test: engine, stateOf } = openCache(MODELS)
  const warmup = { runs: 1, maxMs: 1000 }
  const asked = [
    preload('a', { warmup: { ...warmup, inputs: { no: 'such input' } } }),
    preload('a', { warmup }),
    preload('a', { warmup: { ...warmup, inputs: { no: 'such input' } } }),
  ]
  await settled()
  engine.loads.of('a').resolve({})
  await settled()
  engine.warmups.of('a').reject(new ModelError('MODEL_UNSUPPORTED', 'expected no inputs, got some'))
  await settled()
  expect(stateOf('a')).toBe('warming')
  engine.warmups.of('a').resolve({ firstMs: 2, p50Ms: 1, runs: 1 })
  const ends = await Promise.allSettled(asked)
  expect(ends).toMatchObject([
    { reason: { code: 'MODEL_UNSUPPORTED' } },
    { value: { how: 'loaded' } },
    { reason: { code: 'MODEL_UNSUPPORTED' } },
  ])
})

test('a model is warmed as the first of those who still wait wishes', async () => {
  const { preload, test: engine } = openCache(MODELS)
  const load = engine.engine.load.bind(engine.engine)
  const runs: number[] = []
  engine.engine.load = async (model, options) => {
    const loaded = await load(model, options)
    return { ...loaded, warmup: (wish) => (runs.push(wish.runs), loaded.warmup(wish)) }
  }
  const first = preload('a', { warmup: { runs: 1, maxMs: 1000 } })
  await settled()
  const second = preload('a', { warmup: { runs: 5, maxMs: 1000 } })
  first.cancel()
  engine.loads.of('a').resolve({})
  await settled()
  engine.warmups.of('a').resolve({ firstMs: 1, p50Ms: 1, runs: 5 })
  await expect(second).resolves.toMatchObject({ how: 'loaded' })
  expect(runs).toEqual([5])
})

test('who claims more memory than there is fails alone', async () => {
  const harness = openCache(MODELS)
  const asked = [harness.preload('c', { memoryBytes: 1000 }), harness.preload('c')]
  await settled()
  harness.test.loads.of('c').resolve({})
  await expect(asked[0]).rejects.toMatchObject({ code: 'MODEL_OVER_BUDGET' })
  await expect(asked[1]).resolves.toMatchObject({ how: 'loaded' })
})

test('a request is given nothing before the warmup is done', async () => {
  const { preload, test: engine, stateOf } = openCache(MODELS)
  const asked = preload('a', { warmup: { runs: 3, maxMs: 1000 } })
  const joined = preload('a')
  await settled()
  engine.loads.of('a').resolve({})
  await settled()
  expect([stateOf('a'), asked.seen(), joined.seen()]).toEqual(['warming', 'waiting', 'waiting'])
  engine.warmups.of('a').resolve({ firstMs: 9, p50Ms: 3, runs: 3 })
  await expect(joined).resolves.toMatchObject({ how: 'joined' })
  expect(stateOf('a')).toBe('ready')
})

test('closing tells who waits CACHE_CLOSED, stops loads and closes the engines', async () => {
  const { cache, preload, test: engine, clock } = openCache(MODELS)
  const loading = preload('a')
  const queued = preload('b', { evict: 'any' })
  await settled()
  await cache.close()
  await expect(loading).rejects.toMatchObject({ code: 'CACHE_CLOSED' })
  await expect(queued).rejects.toMatchObject({ code: 'CACHE_CLOSED' })
  await expect(preload('c')).rejects.toMatchObject({ code: 'CACHE_CLOSED' })
  expect([engine.state.closed, engine.total(), clock.pending()]).toEqual([true, 0, 0])
})

test('the last of those who wait says how long the model is kept, and the most urgent how urgent it is', async () => {
  const { preload, cache, wishFor, test: engine } = openCache(MODELS, { settings: { keepAliveMs: 60_000 } })
  const asked = [
    preload('c', { keepAliveMs: 1000, priority: 3 }),
    preload('c', { keepAliveMs: 5000, priority: 1 }),
    preload('c', { priority: 0 }),
  ]
  await settled()
  engine.loads.of('c').resolve({})
  await Promise.all(asked)
  expect(cache.find(engine.engine, wishFor('c').model)).toMatchObject({ priority: 3, keepAliveMs: 5000 })
  await preload('c', { keepAliveMs: null, priority: 0 })
  expect(cache.find(engine.engine, wishFor('c').model)).toMatchObject({ priority: 3, keepAliveMs: null })
})
