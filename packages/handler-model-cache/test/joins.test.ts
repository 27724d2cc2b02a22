import { expect, test } from 'vitest'
import { createControlledEngine } from './controlled-engine.js'
import { ModelError } from '../src/errors.js'
import { openCache, type Harness } from './cache-harness.js'
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

test('a model in memory with another digest than asked for is DIGEST_MISMATCH, and stays', async () => {
  const { cache, wishFor, test: engine, stateOf } = openCache(MODELS)
  const { signal } = new AbortController()
  const ask = (digit: string) =>
    cache.preload(
      wishFor('c', { model: { modelId: 'c', revision: null, digest: `sha256:${digit.repeat(64)}` } }),
      { signal },
    )
  const first = ask('1')
  await settled()
  engine.loads.of('c').resolve({})
  await first
  await expect(ask('2')).rejects.toMatchObject({ code: 'DIGEST_MISMATCH' })
  await expect(ask('1')).resolves.toMatchObject({ how: 'hit' })
  expect(stateOf('c')).toBe('ready')
})

/** Content that has the digest of ones, which takes a turn of the event loop to find out. */
function checkContent({ test: engine }: Harness): void {
  engine.engine.estimate = async ({ digest }) => {
    await settled()
    if (digest !== null && digest !== DIGEST('1')) throw new ModelError('DIGEST_MISMATCH', 'another content')
    return { bytes: 30, digest: null }
  }
}
const DIGEST = (digit: string) => `sha256:${digit.repeat(64)}`
const withDigest = (digest: string | null) => ({ model: { modelId: 'c', revision: null, digest } })

test.for([
  ['the wrong one first', '2', '1'],
  ['the wrong one second', '1', '2'],
  ['the wrong one first, then none', '2', null],
  ['none first, then the wrong one', null, '2'],
] as const)(
  'who asks for another content than there is fails alone, also before anything is loaded: %s',
  async ([, one, other]) => {
    const harness = openCache(MODELS)
    checkContent(harness)
    const asked = [one, other].map((digit) =>
      harness.preload('c', withDigest(digit === null ? null : DIGEST(digit))),
    )
    for (let turn = 0; turn < 6; turn += 1) await settled()
    harness.test.loads.of('c').resolve({})
    const ends = await Promise.allSettled(asked)
    expect(ends[one === '2' ? 0 : 1]).toMatchObject({ reason: { code: 'DIGEST_MISMATCH' } })
    expect(ends[one === '2' ? 1 : 0]).toMatchObject({ value: { how: 'loaded' } })
    expect(harness.test.loadsOf('c')).toBe(1)
  },
)

test('who comes with a digest while the model waits for room checks it before it joins', async () => {
  const harness = openCache(MODELS)
  await harness.loadAll('a')
  const using = await harness.use('a')
  checkContent(harness)
  const first = harness.preload('c', { memoryBytes: 60 })
  for (let turn = 0; turn < 4; turn += 1) await settled()
  expect(harness.stateOf('c')).toBe('queued')
  await expect(harness.preload('c', withDigest(DIGEST('2')))).rejects.toMatchObject({
    code: 'DIGEST_MISMATCH',
  })
  expect(first.seen()).toBe('waiting')
  using.end()
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

test('a digest that the file has by now is no digest of what was loaded from it before', async () => {
  const harness = openCache(MODELS)
  const state = { isCurrent: true }
  const { load } = harness.test.engine
  harness.test.engine.load = async (...args) => ({
    ...(await load(...args)),
    isCurrent: async () => state.isCurrent,
  })
  checkContent(harness)
  const loaded = harness.preload('c')
  for (let turn = 0; turn < 3; turn += 1) await settled()
  harness.test.loads.of('c').resolve({})
  await loaded
  state.isCurrent = false
  const asked = harness.preload('c', withDigest(DIGEST('1')))
  await expect(asked).rejects.toMatchObject({ code: 'DIGEST_MISMATCH' })
  await expect(harness.preload('c')).resolves.toMatchObject({ how: 'hit' })
  state.isCurrent = true
  await expect(harness.preload('c', withDigest(DIGEST('1')))).resolves.toMatchObject({ how: 'hit' })
})

test('a digest that somebody asked for while the model waited for room is checked by the load', async () => {
  const harness = openCache(MODELS)
  await harness.loadAll('a')
  const using = await harness.use('a')
  checkContent(harness)
  const loads: (string | null)[] = []
  const { load } = harness.test.engine
  harness.test.engine.load = (model, options) => {
    loads.push(model.digest)
    return load(model, options)
  }
  const asked = [harness.preload('c', { memoryBytes: 60 })]
  for (let turn = 0; turn < 4; turn += 1) await settled()
  asked.push(harness.preload('c', withDigest(DIGEST('1'))))
  for (let turn = 0; turn < 4; turn += 1) await settled()
  using.end()
  await settled()
  harness.test.unloads.of('a').resolve()
  await settled()
  harness.test.loads.of('c').resolve({})
  await Promise.all(asked)
  expect(loads).toEqual([DIGEST('1')])
})

test('who claims more memory than there is fails alone', async () => {
  const harness = openCache(MODELS)
  const asked = [harness.preload('c', { memoryBytes: 1000 }), harness.preload('c')]
  await settled()
  harness.test.loads.of('c').resolve({})
  await expect(asked[0]).rejects.toMatchObject({ code: 'MODEL_OVER_BUDGET' })
  await expect(asked[1]).resolves.toMatchObject({ how: 'loaded' })
})

test('a request for another content while the old one is unloaded waits and loads that', async () => {
  const harness = openCache(MODELS)
  const old = harness.preload('c', withDigest(DIGEST('1')))
  await settled()
  harness.test.loads.of('c').resolve({})
  await old
  const gone = harness.evict('c')
  await settled()
  const asked = harness.preload('c', withDigest(DIGEST('2')))
  await settled()
  harness.test.unloads.of('c').resolve()
  await gone
  await settled()
  harness.test.loads.of('c').resolve({})
  await expect(asked).resolves.toMatchObject({ how: 'loaded' })
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

test('a request that fails by its own word leaves no trace on the model: not its idle time, not its priority', async () => {
  const harness = openCache({ ...MODELS, d: 80 }, { settings: { keepAliveMs: 60_000 } })
  const { preload, cache, clock, stateOf, test: engine } = harness
  checkContent(harness)
  const bad = { ...withDigest(DIGEST('2')), keepAliveMs: 0, priority: 3 }
  // the first of all, one that joins, one that comes while it is loading, and one that finds it in memory
  await expect(preload('c', bad)).rejects.toMatchObject({ code: 'DIGEST_MISMATCH' })
  await settled()
  const asked = [preload('c', { priority: 2 }), preload('c', bad)]
  await expect.poll(() => stateOf('c')).toBe('loading')
  await expect(preload('c', bad)).rejects.toMatchObject({ code: 'DIGEST_MISMATCH' })
  engine.loads.of('c').resolve({})
  await expect(asked[0]).resolves.toMatchObject({ how: 'loaded' })
  await expect(asked[1]).rejects.toMatchObject({ code: 'DIGEST_MISMATCH' })
  await expect(preload('c', bad)).rejects.toMatchObject({ code: 'DIGEST_MISMATCH' })
  const { model } = harness.wishFor('c')
  expect(cache.find(engine.engine, model)).toMatchObject({ priority: 2, keepAliveMs: 60_000 })
  await clock.step(59_000)
  expect(stateOf('c')).toBe('ready')
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
