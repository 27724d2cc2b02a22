import { expect, test } from 'vitest'
import { ModelError } from '../src/errors.js'
import { openCache } from './cache-harness.js'
import { settled } from './stepped-clock.js'

const MODELS = { a: 60, b: 60, c: 30, d: 30, e: 40, huge: 200 }

test('on out of memory the cheapest set is evicted and the load tried once more', async () => {
  const { preload, loadAll, test: engine, stateOf } = openCache(MODELS, { limit: null })
  await loadAll('a', 'c')
  const asked = preload('d')
  await settled()
  engine.loads.of('d').reject(outOfMemory())
  await settled()
  expect(stateOf('c')).toBe('unloading')
  engine.unloads.of('c').resolve()
  await settled()
  engine.loads.of('d').resolve({})
  await expect(asked).resolves.toMatchObject({ how: 'loaded' })
  expect([stateOf('a'), engine.loadsOf('d')]).toEqual(['ready', 2])
})

test('on out of memory everything idle goes where that is less than the model takes, and the load is tried once more', async () => {
  const { preload, loadAll, test: engine } = openCache(MODELS)
  await loadAll('c')
  const asked = preload('a')
  await settled()
  engine.loads.of('a').reject(outOfMemory())
  await settled()
  engine.unloads.of('c').resolve()
  await settled()
  engine.loads.of('a').resolve({})
  await expect(asked).resolves.toMatchObject({ how: 'loaded' })
})

test('out of memory a second time is a retryable error with the bytes free again', async () => {
  const { preload, loadAll, test: engine, stateOf, counted } = openCache(MODELS, { limit: null })
  await loadAll('a', 'c')
  const asked = preload('d')
  await settled()
  engine.loads.of('d').reject(outOfMemory())
  await settled()
  engine.unloads.of('c').resolve()
  await settled()
  engine.loads.of('d').reject(outOfMemory())
  await expect(asked).rejects.toMatchObject({ code: 'OUT_OF_MEMORY', retryable: true })
  expect([stateOf('d'), stateOf('a'), counted(), engine.loadsOf('d')]).toEqual(['failed', 'ready', 60, 2])
})

test('a request that may evict nobody evicts nobody for memory either', async () => {
  const { preload, loadAll, test: engine, stateOf } = openCache(MODELS, { limit: null })
  await loadAll('a')
  const asked = preload('d', { evict: 'none' })
  await settled()
  engine.loads.of('d').reject(outOfMemory())
  await expect(asked).rejects.toMatchObject({ code: 'OUT_OF_MEMORY' })
  expect(stateOf('a')).toBe('ready')
})

test('after a load the measured size counts in place of the estimate, the next time too', async () => {
  const { preload, test: engine, counted, evict } = openCache(MODELS)
  const asked = preload('a')
  await settled()
  expect(counted()).toBe(60)
  engine.loads.of('a').resolve({ bytes: 45 })
  await asked
  expect(counted()).toBe(45)
  const gone = evict('a')
  await settled()
  engine.unloads.of('a').resolve()
  await gone
  expect(counted()).toBe(0)
  void preload('a').catch(() => {})
  await settled()
  expect(counted()).toBe(45)
})

test.for([
  { what: 'its peak', bytes: 90, evicted: true },
  { what: 'the whole pool where its peak is beyond that', bytes: 150, memoryBytes: 60, evicted: true },
  { what: 'what the wish says in place of its peak', bytes: 90, again: { memoryBytes: 50 }, evicted: false },
])('a load that takes more than what stays is reserved $what, the next time too', async (one) => {
  const { preload, loadAll, evict, cache, clock, test: engine, stateOf } = openCache({ a: 40, d: 30 })
  engine.engine.estimate = async ({ modelId }) =>
    modelId === 'a' ? { bytes: one.bytes, peakBytes: one.bytes, digest: null } : { bytes: 30, digest: null }
  const first = preload('a', { memoryBytes: one.memoryBytes ?? null })
  await settled()
  engine.loads.of('a').resolve({})
  await first
  const gone = evict('a')
  engine.unloads.of('a').resolve()
  await gone
  await loadAll('d')
  await clock.step(1)
  void preload('a', one.again).catch(() => {})
  await settled()
  expect(stateOf('d')).toBe(one.evicted ? 'unloading' : 'ready')
  if (one.evicted) engine.unloads.of('d').resolve()
  await settled()
  engine.loads.of('a').resolve({})
  await settled()
  expect([...cache.pools()][0]?.ledger.total()).toBe(one.evicted ? 40 : 70)
})

test('a load that measured more than fits beside the others pushes the cheapest out before it is ready', async () => {
  const { preload, loadAll, test: engine, counted, stateOf } = openCache(MODELS)
  await loadAll('a')
  const asked = preload('c')
  await settled()
  engine.loads.of('c').resolve({ bytes: 70 })
  await settled()
  expect([stateOf('c'), stateOf('a'), asked.seen()]).toEqual(['warming', 'unloading', 'waiting'])
  engine.unloads.of('a').resolve()
  await asked
  expect(counted()).toBe(70)
})

test('a load that measured more than the whole budget is unloaded and MODEL_OVER_BUDGET', async () => {
  const { preload, loadAll, test: engine, counted, stateOf } = openCache(MODELS)
  await loadAll('c')
  const asked = preload('d')
  await settled()
  engine.loads.of('d').resolve({ bytes: 101 })
  await settled()
  engine.unloads.of('d').resolve()
  await expect(asked).rejects.toMatchObject({ code: 'MODEL_OVER_BUDGET' })
  await settled()
  expect([counted(), stateOf('c'), stateOf('d')]).toEqual([30, 'ready', 'absent'])
})

test('memory_bytes of the request is reserved in place of the estimate', async () => {
  const { preload, counted } = openCache(MODELS)
  void preload('a', { memoryBytes: 77 }).catch(() => {})
  await settled()
  expect(counted()).toBe(77)
})

test('a load that measured more than can be made room for is unloaded again: NO_ROOM', async () => {
  const { preload, loadAll, pin, test: engine, counted, stateOf } = openCache(MODELS)
  await loadAll('a')
  pin('a')
  const asked = preload('c')
  await settled()
  engine.loads.of('c').resolve({ bytes: 70 })
  await settled()
  engine.unloads.of('c').resolve()
  await expect(asked).rejects.toMatchObject({ code: 'NO_ROOM', retryable: true })
  await settled()
  expect([stateOf('a'), stateOf('c'), counted()]).toEqual(['ready', 'absent', 60])
})

function outOfMemory(): Error {
  return new ModelError('OUT_OF_MEMORY', 'expected 30 bytes, got none')
}

test('what a load takes less than was reserved is there for the next before its warmup is over', async () => {
  const { preload, test: engine } = openCache(MODELS)
  void preload('a', { warmup: { runs: 1, maxMs: 1000 } }).catch(() => {})
  void preload('b').catch(() => {})
  await settled()
  expect(engine.log).toEqual(['load a'])
  engine.loads.of('a').resolve({ bytes: 20 })
  await settled()
  expect(engine.log).toEqual(['load a', 'load b'])
})

test('a file that was replaced by a larger one is reserved by its new size, though nobody knows its digest', async () => {
  const sizes = { a: 30, b: 40 }
  const { loadAll, evict, preload, test: engine, stateOf } = openCache(sizes)
  await loadAll('a')
  const gone = evict('a')
  await settled()
  engine.unloads.of('a').resolve()
  await gone
  await loadAll('b')
  sizes.a = 80
  const asked = preload('a')
  await settled()
  expect([stateOf('a'), stateOf('b')]).toEqual(['queued', 'unloading'])
  engine.unloads.of('b').resolve()
  await settled()
  engine.loads.of('a').resolve({})
  await asked
  expect(engine.state.peak).toBe(80)
})

test('a load that measured more than fits waits for nobody where enough is on its way out', async () => {
  const { loadAll, evict, preload, test: engine, stateOf } = openCache({ a: 30, c: 40 })
  await loadAll('a')
  const asked = preload('c')
  await settled()
  const gone = evict('a')
  await settled()
  engine.loads.of('c').resolve({ bytes: 80 })
  await expect(asked).resolves.toMatchObject({ how: 'loaded' })
  expect([stateOf('a'), stateOf('c')]).toEqual(['unloading', 'ready'])
  engine.unloads.of('a').resolve()
  await gone
})

test('the measured size of another content under the same name is not taken for this one', async () => {
  const { preload, evict, test: engine, counted } = openCache(MODELS)
  const first = preload('a', digestOf('1'))
  await settled()
  engine.loads.of('a').resolve({ bytes: 20 })
  await first
  const gone = evict('a')
  await settled()
  engine.unloads.of('a').resolve()
  await gone
  void preload('a', digestOf('2')).catch(() => {})
  await settled()
  expect(counted()).toBe(60)
})

/** Model a with a content of its own. */
function digestOf(digit: string) {
  return { model: { modelId: 'a', revision: null, digest: `sha256:${digit.repeat(64)}` } }
}

test('a load is soon again after an eviction for others alone, not after one that was asked for', async () => {
  const { loadAll, preload, evict, told, test: engine } = openCache({ a: 60, b: 60 })
  await loadAll('a')
  const gone = evict('a')
  await settled()
  engine.unloads.of('a').resolve()
  await gone
  await loadAll('a')
  const other = preload('b')
  await settled()
  engine.unloads.of('a').resolve()
  await settled()
  engine.loads.of('b').resolve({})
  await other
  const again = preload('a')
  await settled()
  engine.unloads.of('b').resolve()
  await settled()
  engine.loads.of('a').resolve({})
  await again
  const loads = told
    .filter(([what]) => what === 'loadEnded')
    .map(([, , how, , soonAgain]) => [how, soonAgain])
  expect(loads).toEqual([
    ['loaded', false],
    ['loaded', false],
    ['loaded', false],
    ['loaded', true],
  ])
})
