import { expect, test } from 'vitest'
import { openCache } from './cache-harness.js'
import { settled } from './stepped-clock.js'

const MODELS = { a: 60, b: 60, c: 30 }

test('an engine that dies while its model is loaded gives the bytes back, and the next request loads again', async () => {
  const { loadAll, test: engine, counted, stateOf, preload, told } = openCache(MODELS)
  await loadAll('a')
  engine.kill('a')
  expect([counted(), stateOf('a')]).toEqual([0, 'absent'])
  expect(told.some(([what, , modelId]) => what === 'gone' && modelId === 'a')).toBe(true)
  const asked = preload('a')
  await settled()
  engine.loads.of('a').resolve({})
  await expect(asked).resolves.toMatchObject({ how: 'loaded' })
})

test('an engine that dies during the warmup tells all who wait a retryable error', async () => {
  const { preload, test: engine, counted, stateOf } = openCache(MODELS)
  const asked = [preload('a', { warmup: { runs: 1, maxMs: 1000 } }), preload('a')]
  await settled()
  engine.loads.of('a').resolve({})
  await settled()
  engine.kill('a')
  for (const one of asked) await expect(one).rejects.toMatchObject({ code: 'MODEL_GONE', retryable: true })
  await settled()
  expect([counted(), stateOf('a')]).toEqual([0, 'failed'])
})

test('an engine that dies while draining ends the eviction', async () => {
  const { loadAll, use, evict, test: engine, counted } = openCache(MODELS)
  await loadAll('a')
  const using = await use('a')
  const gone = evict('a')
  await settled()
  engine.kill('a')
  await expect(gone).resolves.toBe('gone')
  using.end()
  await using.done
  expect(counted()).toBe(0)
})

test('a use of a model that was lost does not hold the one that was loaded after it', async () => {
  const { loadAll, use, test: engine, stateOf, evict } = openCache(MODELS)
  await loadAll('a')
  const old = await use('a')
  engine.kill('a')
  await loadAll('a')
  const gone = evict('a')
  await settled()
  expect(stateOf('a')).toBe('unloading')
  engine.unloads.of('a').resolve()
  await expect(gone).resolves.toBe('evicted')
  old.end()
  await old.done
})

test('an engine that dies while room is made for what its load measured: nobody is given the dead model', async () => {
  const { preload, loadAll, test: engine, counted, stateOf } = openCache(MODELS)
  await loadAll('a')
  const asked = preload('c')
  await settled()
  engine.loads.of('c').resolve({ bytes: 70 })
  await settled()
  expect([stateOf('c'), stateOf('a')]).toEqual(['warming', 'unloading'])
  engine.kill('c')
  engine.unloads.of('a').resolve()
  await expect(asked).rejects.toMatchObject({ code: 'MODEL_GONE' })
  await settled()
  expect([stateOf('c'), counted()]).toEqual(['failed', 0])
})

test('the end of a use of a model that was lost is no end of a use of the next one', async () => {
  const { loadAll, use, cache, test: engine, wishFor } = openCache(MODELS)
  await loadAll('a')
  const old = await use('a')
  engine.kill('a')
  await loadAll('a')
  const using = await use('a')
  old.end()
  await old.done
  expect(cache.find(engine.engine, wishFor('a').model)?.uses).toBe(1)
  using.end()
})
