import { expect, test } from 'vitest'
import { createDeferred } from '../src/deferred.js'
import { ModelError } from '../src/errors.js'
import { openCache } from './cache-harness.js'
import { settled } from './stepped-clock.js'

const openShared = () => openCache({ a: 60, b: 60 }, { pool: 'shared', sharedEndpoint: true })

test('who joins a load with another keep_alive is heard: the endpoint is told before anybody gets the model', async () => {
  const { preload, test: engine } = openShared()
  const first = preload('a', { keepAliveMs: 1000 })
  await settled()
  const second = preload('a', { keepAliveMs: 5000 })
  await settled()
  engine.loads.of('a').resolve({})
  await Promise.all([first, second])
  expect(engine.log).toEqual(['load a', 'keep a 5000'])
})

test('an endpoint is told to keep a model that is to go after its warmup: that is done here', async () => {
  const { preload, test: engine, stateOf } = openShared()
  const load = engine.engine.load.bind(engine.engine)
  const told: (number | null)[] = []
  engine.engine.load = (model, options) => {
    told.push(options.keepAliveMs)
    return load(model, options)
  }
  const asked = preload('a', { keepAliveMs: 0 })
  await settled()
  engine.loads.of('a').resolve({})
  await asked
  await settled()
  expect([told, engine.log, stateOf('a')]).toEqual([[null], ['load a'], 'ready'])
})

test('nobody is told of a load by the time that it was loaded with', async () => {
  const { preload, test: engine } = openShared()
  const asked = preload('a', { keepAliveMs: 1000 })
  await settled()
  engine.loads.of('a').resolve({})
  await asked
  expect(engine.log).toEqual(['load a'])
})

test('an endpoint that refuses the time fails the request, and the model stays as evictable as it was', async () => {
  const { preload, loadAll, test: engine, stateOf, cache, wishFor } = openShared()
  await loadAll('a')
  engine.state.onKeep = async () => {
    throw new ModelError('ENDPOINT_FAILED', 'expected an answer, got none')
  }
  const asked = preload('a', { keepAliveMs: 5000, pin: true })
  await expect(asked).rejects.toMatchObject({ code: 'ENDPOINT_FAILED' })
  expect(stateOf('a')).toBe('ready')
  expect(cache.find(engine.engine, wishFor('a').model)).toMatchObject({ uses: 0, pinned: false })
})

test('an endpoint that calls a model gone without losing it is an error, not an endless question', async () => {
  const { preload, loadAll, test: engine } = openShared()
  await loadAll('a')
  engine.state.onKeep = async () => {
    throw new ModelError('MODEL_GONE', 'expected the model, got nothing')
  }
  await expect(preload('a', { keepAliveMs: 5000 })).rejects.toMatchObject({ code: 'MODEL_GONE' })
})

test('a model that is lost while its endpoint is told is loaded again for the request', async () => {
  const { preload, loadAll, test: engine } = openShared()
  await loadAll('a')
  engine.state.onKeep = async (modelId) => engine.kill(modelId)
  const asked = preload('a', { keepAliveMs: 5000 })
  await settled()
  engine.loads.of('a').resolve({})
  await expect(asked).resolves.toMatchObject({ how: 'loaded' })
})

test('a model is in use while its endpoint is told: an eviction waits, and the hit revives it', async () => {
  const { preload, loadAll, evict, test: engine, stateOf } = openShared()
  await loadAll('a')
  const held = createDeferred<void>()
  engine.state.onKeep = () => held.promise
  const asked = preload('a', { keepAliveMs: 5000 })
  await settled()
  void evict('a')
  await settled()
  expect(stateOf('a')).toBe('draining')
  held.resolve()
  await expect(asked).resolves.toMatchObject({ how: 'hit' })
  expect(stateOf('a')).toBe('ready')
})

test('what keep_alive 0 means is not told: it is unloaded', async () => {
  const { preload, loadAll, test: engine, clock } = openShared()
  await loadAll('a')
  await preload('a', { keepAliveMs: 0 })
  await clock.step(0)
  expect(engine.log).toEqual(['load a', 'unload a'])
})

const TOLD_AS = { expired: ['evicted', 'test', 'a', 'idle'], gone: ['gone', 'test', 'a'] }

test.for([
  { what: 'whose time is over', keepAliveMs: 60_000, as: 'expired' },
  { what: 'whose time is not over', keepAliveMs: 60_000, isOver: false, as: 'gone' },
  { what: 'that is wanted for ever', keepAliveMs: null, as: 'gone' },
  { what: 'that is pinned', keepAliveMs: 60_000, pin: true, as: 'gone' },
  { what: 'that is in use', keepAliveMs: 60_000, inUse: true, as: 'gone' },
] as const)('a model $what and that the endpoint dropped has $as', async ({ keepAliveMs, as, ...more }) => {
  const { preload, use, test: engine, told, stateOf, counted } = openShared()
  const asked = preload('a', { keepAliveMs, pin: 'pin' in more })
  await settled()
  engine.loads.of('a').resolve({})
  await asked
  if ('inUse' in more) await use('a')
  engine.state.isOver = !('isOver' in more)
  engine.kill('a')
  expect([stateOf('a'), counted()]).toEqual(['absent', 0])
  const ends = told.filter(([what]) => what === 'evicted' || what === 'gone')
  expect(ends).toEqual([expect.arrayContaining(TOLD_AS[as])])
})

test('a model that the endpoint held already is a hit for all who asked, and no load', async () => {
  const { preload, test: engine, told, cache, wishFor } = openShared()
  engine.state.wasThere = true
  const asked = [preload('a'), preload('a')]
  await settled()
  engine.loads.of('a').resolve({})
  for (const one of asked) await expect(one).resolves.toEqual({ kind: 'ready', how: 'hit' })
  expect(told.filter(([what]) => what === 'loadEnded')).toEqual([])
  expect(cache.find(engine.engine, wishFor('a').model)?.loadMs).toBe(0)
})

test('a model is not unloaded while its endpoint is told of the unpin: it would load it anew', async () => {
  const { loadAll, pin, cache, wishFor, evict, test: engine } = openShared()
  await loadAll('a')
  pin('a')
  pin('a', false)
  const told = createDeferred<void>()
  engine.state.onKeep = () => told.promise
  const passing = cache.passOnKeepAlive(engine.engine, wishFor('a').model, new AbortController().signal)
  await settled()
  const gone = evict('a')
  await settled()
  expect(engine.log).toEqual(['load a', 'keep a null'])
  told.resolve()
  await passing
  engine.unloads.of('a').resolve()
  expect(await gone).toBe('evicted')
})

test('who joins while the endpoint is told of another keep_alive is heard too', async () => {
  const { preload, test: engine } = openShared()
  const first = preload('a', { keepAliveMs: 1000 })
  await settled()
  const second = preload('a', { keepAliveMs: 5000 })
  const told = createDeferred<void>()
  engine.state.onKeep = () => told.promise
  engine.loads.of('a').resolve({})
  await settled()
  const third = preload('a', { pin: true })
  told.resolve()
  await Promise.all([first, second, third])
  expect(engine.log).toEqual(['load a', 'keep a 5000', 'keep a null'])
})

test.for([
  { what: 'whose time was over', isOver: true, next: null },
  { what: 'that was lost', isOver: false, next: 5000 },
])('a model $what is loaded the next time for $next', async ({ isOver, next }) => {
  const { preload, loadAll, cache, wishFor, test: engine } = openShared()
  const asked = preload('a', { keepAliveMs: 5000 })
  await settled()
  engine.loads.of('a').resolve({})
  await asked
  engine.state.isOver = isOver
  engine.kill('a')
  await loadAll('a')
  expect(cache.find(engine.engine, wishFor('a').model)?.keepAliveMs).toBe(next)
})
