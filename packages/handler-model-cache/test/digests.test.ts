import { expect, test } from 'vitest'
import { ModelError } from '../src/errors.js'
import { openCache, type Harness } from './cache-harness.js'
import { settled } from './stepped-clock.js'

const MODELS = { a: 60, b: 60, c: 30, d: 30, huge: 200 }

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
