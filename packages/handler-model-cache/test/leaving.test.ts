import { expect, test } from 'vitest'
import { ModelError } from '../src/errors.js'
import { openCache } from './cache-harness.js'
import { settled } from './stepped-clock.js'

const MODELS = { a: 60, b: 60, c: 30 }

test('evict unloads an idle model and resolves when its memory is back', async () => {
  const { loadAll, evict, test: engine, counted, stateOf } = openCache(MODELS)
  await loadAll('a')
  const gone = evict('a')
  await settled()
  expect([stateOf('a'), counted()]).toEqual(['unloading', 60])
  engine.unloads.of('a').resolve()
  await expect(gone).resolves.toBe('evicted')
  expect([stateOf('a'), counted()]).toEqual(['absent', 0])
})

test('evict of a model in use drains: its use goes on, and it is unloaded afterwards', async () => {
  const { loadAll, use, evict, test: engine, stateOf } = openCache(MODELS)
  await loadAll('a')
  const using = await use('a')
  const gone = evict('a')
  await settled()
  expect([stateOf('a'), engine.log]).toEqual(['draining', ['load a']])
  using.end()
  await settled()
  engine.unloads.of('a').resolve()
  await expect(gone).resolves.toBe('evicted')
})

test('a request while draining revives the model', async () => {
  const { loadAll, use, evict, preload, stateOf, test: engine } = openCache(MODELS)
  await loadAll('a')
  const using = await use('a')
  const gone = evict('a')
  await settled()
  await expect(preload('a')).resolves.toEqual({ kind: 'ready', how: 'hit' })
  await expect(gone).resolves.toBe('revived')
  using.end()
  await settled()
  expect([stateOf('a'), engine.log]).toEqual(['ready', ['load a']])
})

test('a pin while draining revives the model, and it stays when its use ends', async () => {
  const { loadAll, use, evict, pin, stateOf, test: engine } = openCache(MODELS)
  await loadAll('a')
  const using = await use('a')
  const gone = evict('a')
  await settled()
  pin('a')
  await expect(gone).resolves.toBe('revived')
  using.end()
  await settled()
  expect([stateOf('a'), engine.log]).toEqual(['ready', ['load a']])
})

test('a request during a forced drain waits and loads the model again, it gets no error', async () => {
  const { loadAll, use, evict, preload, test: engine } = openCache(MODELS)
  await loadAll('a')
  const using = await use('a')
  const gone = evict('a', true)
  const asked = preload('a')
  await settled()
  expect(asked.seen()).toBe('waiting')
  using.end()
  await settled()
  engine.unloads.of('a').resolve()
  await gone
  await settled()
  engine.loads.of('a').resolve({})
  await expect(asked).resolves.toEqual({ kind: 'ready', how: 'loaded' })
})

test('a request while unloading waits and loads the model again', async () => {
  const { loadAll, evict, preload, test: engine } = openCache(MODELS)
  await loadAll('a')
  const gone = evict('a')
  await settled()
  const asked = [preload('a'), preload('a')]
  await settled()
  engine.unloads.of('a').resolve()
  await gone
  await settled()
  engine.loads.of('a').resolve({})
  expect(await Promise.all(asked)).toMatchObject([{ how: 'loaded' }, { how: 'joined' }])
})

test('evict leaves a pinned model alone unless forced, and one that is being loaded', async () => {
  const { loadAll, evict, pin, preload, test: engine, stateOf } = openCache(MODELS)
  await loadAll('a')
  pin('a')
  await expect(evict('a')).resolves.toBe('pinned')
  void preload('c').catch(() => {})
  await settled()
  await expect(evict('c', true)).resolves.toBe('loading')
  const forced = evict('a', true)
  await settled()
  engine.unloads.of('a').resolve()
  await expect(forced).resolves.toBe('evicted')
  await expect(evict('a')).resolves.toBe('absent')
  expect(stateOf('c')).toBe('loading')
})

test('two evictions of one model are one unload', async () => {
  const { loadAll, evict, test: engine } = openCache(MODELS)
  await loadAll('a')
  const both = [evict('a'), evict('a')]
  await settled()
  engine.unloads.of('a').resolve()
  expect(await Promise.all(both)).toEqual(['evicted', 'evicted'])
  expect(engine.log).toEqual(['load a', 'unload a'])
})

test('an unload that fails keeps its bytes counted and is tried again', async () => {
  const { loadAll, evict, test: engine, counted, clock, told } = openCache(MODELS)
  await loadAll('a')
  const gone = evict('a')
  await settled()
  engine.unloads.of('a').reject(new ModelError('UNLOAD_FAILED', 'expected the memory back, got nothing'))
  await settled()
  expect([counted(), told.map(([what]) => what).includes('unloadFailed')]).toEqual([60, true])
  await clock.step(1000)
  engine.unloads.of('a').resolve()
  await expect(gone).resolves.toBe('evicted')
  expect(counted()).toBe(0)
})

test('an idle model is unloaded after its keep_alive, each use starts it anew', async () => {
  const { preload, test: engine, clock, stateOf, use } = openCache(MODELS)
  const asked = preload('a', { keepAliveMs: 10_000 })
  await settled()
  engine.loads.of('a').resolve({})
  await asked
  await clock.step(9000)
  const using = await use('a')
  await clock.step(60_000)
  expect(stateOf('a')).toBe('ready')
  using.end()
  await settled()
  await clock.step(9999)
  expect(stateOf('a')).toBe('ready')
  await clock.step(1)
  expect(stateOf('a')).toBe('unloading')
})

test('keep_alive 0 unloads as soon as nobody uses it', async () => {
  const { preload, test: engine, clock, stateOf } = openCache(MODELS)
  const asked = preload('a', { keepAliveMs: 0 })
  await settled()
  engine.loads.of('a').resolve({})
  await expect(asked).resolves.toMatchObject({ how: 'loaded' })
  await clock.step(0)
  expect(stateOf('a')).toBe('unloading')
})

test('a pinned model outlives its keep_alive', async () => {
  const { preload, pin, test: engine, clock, stateOf } = openCache(MODELS)
  const asked = preload('a', { keepAliveMs: 1000 })
  await settled()
  engine.loads.of('a').resolve({})
  await asked
  pin('a')
  await clock.step(3_600_000)
  expect(stateOf('a')).toBe('ready')
  pin('a', false)
  await clock.step(0)
  expect(stateOf('a')).toBe('unloading')
})

test('the time on a shared endpoint is left to the endpoint, which sees the uses of others', async () => {
  const { preload, test: engine, clock, stateOf } = openCache(MODELS, { sharedEndpoint: true })
  const asked = preload('a', { keepAliveMs: 1000 })
  await settled()
  engine.loads.of('a').resolve({})
  await asked
  await clock.step(60_000)
  expect(stateOf('a')).toBe('ready')
})

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

test('a failed load is backed off: requests get its error with the time to wait, force tries at once', async () => {
  const { preload, test: engine, clock, stateOf } = openCache(MODELS)
  const fail = async (force = false) => {
    const asked = preload('a', { force })
    await settled()
    engine.loads.of('a').reject(new ModelError('LOAD_FAILED', 'expected a model, got noise'))
    await expect(asked).rejects.toMatchObject({ code: 'LOAD_FAILED' })
    await settled()
  }
  await fail()
  await expect(preload('a')).rejects.toMatchObject({ code: 'LOAD_FAILED', retryAfterMs: 1000 })
  expect(stateOf('a')).toBe('failed')
  await fail(true)
  await clock.step(1999)
  await expect(preload('a')).rejects.toMatchObject({ retryAfterMs: 1 })
  await clock.step(1)
  const again = preload('a')
  await settled()
  engine.loads.of('a').resolve({})
  await expect(again).resolves.toMatchObject({ how: 'loaded' })
})

test('a warmup that fails unloads the model before it is tried again', async () => {
  const { preload, test: engine, counted, stateOf } = openCache(MODELS)
  const asked = preload('a', { warmup: { runs: 1, maxMs: 1000 } })
  await settled()
  engine.loads.of('a').resolve({})
  await settled()
  engine.warmups.of('a').reject(new ModelError('WARMUP_FAILED', 'expected an answer, got none'))
  await expect(asked).rejects.toMatchObject({ code: 'WARMUP_FAILED' })
  await settled()
  expect([stateOf('a'), counted()]).toEqual(['unloading', 60])
  engine.unloads.of('a').resolve()
  await settled()
  expect([stateOf('a'), counted()]).toEqual(['failed', 0])
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

test('when a model that was to go is revived, the head of the line gets its room from others', async () => {
  const { loadAll, use, evict, preload, test: engine } = openCache({ a: 60, c: 30, e: 40 })
  await loadAll('a', 'c')
  const using = await use('a')
  void evict('a')
  const asked = preload('e')
  await settled()
  expect([asked.seen(), engine.log]).toEqual(['waiting', ['load a', 'load c']])
  await expect(preload('a')).resolves.toMatchObject({ how: 'hit' })
  await settled()
  expect(engine.log).toEqual(['load a', 'load c', 'unload c'])
  using.end()
})

test('closing tells who waits for the eviction of a model in use', async () => {
  const { cache, loadAll, use, evict } = openCache(MODELS)
  await loadAll('a')
  await use('a')
  const gone = evict('a')
  await settled()
  await Promise.all([expect(gone).rejects.toMatchObject({ code: 'CACHE_CLOSED' }), cache.close()])
})

test('an eviction that is joined by a forced one is forced: a request does not revive the model', async () => {
  const { loadAll, use, evict, preload, stateOf, test: engine } = openCache(MODELS)
  await loadAll('a')
  const using = await use('a')
  void evict('a')
  void evict('a', true)
  const asked = preload('a')
  await settled()
  expect([asked.seen(), stateOf('a')]).toEqual(['waiting', 'draining'])
  using.end()
  await settled()
  engine.unloads.of('a').resolve()
  await settled()
  engine.loads.of('a').resolve({})
  await expect(asked).resolves.toMatchObject({ how: 'loaded' })
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

test('closing tells who waits for a model that is on its way out', async () => {
  const { loadAll, use, evict, preload, cache } = openCache(MODELS)
  await loadAll('a')
  await use('a')
  void evict('a', true).catch(() => {})
  const asked = preload('a')
  await settled()
  await cache.close()
  await settled()
  expect(asked.seen()).toMatchObject({ code: 'CACHE_CLOSED' })
})
