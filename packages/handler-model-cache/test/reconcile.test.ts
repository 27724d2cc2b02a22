import { expect, test } from 'vitest'
import { createCatalog } from '../src/catalog.js'
import { createDeferred } from '../src/deferred.js'
import { ModelError } from '../src/errors.js'
import { optionsSchema } from '../src/options.js'
import { createReconcile } from '../src/reconcile.js'
import { missingWarm } from '../src/warm.js'
import { openCache } from './cache-harness.js'
import { settled } from './stepped-clock.js'

const MODELS = { a: 60, b: 30, c: 60 }
const { signal } = new AbortController()

type Shared = ReturnType<typeof openShared>

/** A shared endpoint that says what the engine's own books say, and what others put there. */
function openShared(warm: readonly string[] = []) {
  const harness = openCache(MODELS, { pool: 'shared', sharedEndpoint: true })
  const { test: engine, cache } = harness
  const foreign = new Map<string, number>()
  const idle = new Map<string, number>()
  engine.engine.observe = async () =>
    [...engine.memory, ...foreign].map(([modelId, bytes]) => ({
      modelId,
      revision: null,
      bytes,
      idleMs: idle.get(modelId) ?? null,
    }))
  const options = optionsSchema.parse({ defaultEngine: 'test', warmupRuns: 0 })
  const catalog = createCatalog([engine.engine], options)
  const reconcile = createReconcile({ cache, catalog, engines: [engine.engine], warm })
  const missing = () => missingWarm({ cache, catalog, warm })
  return { ...harness, foreign, idle, missing, reconcile: () => reconcile(signal) }
}

test('a model that the endpoint dropped is absent, and its bytes are free', async () => {
  const { loadAll, clock, test: engine, reconcile, stateOf, counted } = openShared()
  await loadAll('a')
  await clock.step(1000)
  engine.memory.delete('a')
  expect(await reconcile()).toEqual({ loaded: [], failed: [] })
  expect([stateOf('a'), counted()]).toEqual(['absent', 0])
})

test('a model that became ready after the question is not taken for dropped', async () => {
  const { loadAll, test: engine, reconcile, stateOf } = openShared()
  await loadAll('a')
  engine.engine.observe = async () => []
  await reconcile()
  expect(stateOf('a')).toBe('ready')
})

test('what others hold counts against the budget, what is ours counts once', async () => {
  const { loadAll, foreign, reconcile, counted } = openShared()
  await loadAll('a')
  foreign.set('theirs', 25)
  await reconcile()
  expect(counted()).toBe(85)
  foreign.clear()
  await reconcile()
  expect(counted()).toBe(60)
})

test('a use that only the endpoint saw is a use', async () => {
  const { loadAll, clock, idle, reconcile, cache } = openShared()
  await loadAll('a')
  await clock.step(60_000)
  idle.set('a', 1000)
  await reconcile()
  expect([...cache.entries()][0]?.lastUsedAt).toBe(clock.now() - 1000)
})

test('warm and pinned models that are missing are loaded again', async () => {
  const { loadAll, pin, clock, test: engine, reconcile } = openShared(['a'])
  await loadAll('b')
  pin('b')
  await clock.step(1000)
  engine.memory.delete('b')
  const reconciled = reconcile()
  await settled()
  for (const modelId of ['a', 'b']) engine.loads.of(modelId).resolve({})
  expect((await reconciled).loaded.toSorted()).toEqual(['a', 'b'])
  expect(await reconcile()).toEqual({ loaded: [], failed: [] })
})

test.for(['MODEL_NOT_FOUND', 'ENDPOINT_FAILED'] as const)(
  'a warm model that was lost and cannot be loaded again is named until it is there: %s',
  async (code) => {
    const { loadAll, clock, test: engine, reconcile, missing } = openShared(['a'])
    await loadAll('a')
    expect(missing()).toEqual([])
    await clock.step(1000)
    engine.memory.delete('a')
    engine.state.estimateError = code
    await reconcile()
    expect(missing()).toEqual([
      expect.stringContaining('a of the warm list is not in memory: expected a good a'),
    ])
    engine.state.estimateError = null
    await clock.step(1000)
    await loadAll('a')
    expect(missing()).toEqual([])
  },
)

test('an endpoint that does not answer is told, and takes nothing away', async () => {
  const { loadAll, test: engine, reconcile, stateOf } = openShared()
  await loadAll('a')
  const error = new ModelError('ENDPOINT_UNREACHABLE', 'expected an answer, got none')
  engine.engine.observe = () => Promise.reject(error)
  expect(await reconcile()).toEqual({ loaded: [], failed: [{ what: 'test:test', error }] })
  expect(stateOf('a')).toBe('ready')
})

test('an endpoint that was asked for nothing is left alone', async () => {
  const { test: engine, reconcile } = openShared()
  engine.engine.observe = () => Promise.reject(new Error('nobody is there'))
  expect(await reconcile()).toEqual({ loaded: [], failed: [] })
})

test('a model that others have loaded there already needs no room of its own, and counts once', async () => {
  const { preload, foreign, test: engine, reconcile, counted } = openShared()
  foreign.set('a', 60)
  const asked = preload('a')
  await settled()
  await settled()
  engine.loads.of('a').resolve({})
  await expect(asked).resolves.toMatchObject({ how: 'loaded' })
  expect(counted()).toBe(60)
  await reconcile()
  expect(counted()).toBe(60)
})

test('what an eviction by force ended is not loaded again: it is pinned no more', async () => {
  const { loadAll, pin, evict, test: engine, reconcile } = openShared()
  await loadAll('a')
  pin('a')
  const gone = evict('a', true)
  await settled()
  engine.unloads.of('a').resolve()
  expect(await gone).toBe('evicted')
  expect(await reconcile()).toEqual({ loaded: [], failed: [] })
})

test.for([
  { how: 'is in memory', isThere: true },
  { how: 'joins the load of another one', isThere: false },
])('a pinned model that was lost is loaded again as who pinned it wishes: it $how', async ({ isThere }) => {
  const { preload, loadAll, clock, test: engine, reconcile } = openShared()
  const loading = preload('a', { evict: 'none', priority: 0 })
  await settled()
  if (isThere) engine.loads.of('a').resolve({})
  if (isThere) await loading
  const pinning = preload('a', { pin: true, evict: 'any', priority: 3 })
  if (!isThere) engine.loads.of('a').resolve({})
  await pinning
  engine.kill('a')
  await loadAll('c')
  await clock.step(1000)
  const reconciled = reconcile()
  await settled()
  engine.unloads.of('c').resolve()
  await settled()
  engine.loads.of('a').resolve({})
  expect(await reconciled).toEqual({ loaded: ['a'], failed: [] })
})

test('what was unloaded after the question is not taken for what others hold', async () => {
  const { loadAll, evict, cache, clock, counted, test: engine } = openShared()
  await loadAll('a')
  const answering = createDeferred<void>()
  const observe = engine.engine.observe
  engine.engine.observe = async (within) => {
    const answer = (await observe?.(within)) ?? []
    await answering.promise
    return answer
  }
  const looking = cache.observe(engine.engine, signal)
  await clock.step(1)
  const gone = evict('a')
  engine.unloads.of('a').resolve()
  await gone
  answering.resolve()
  await looking
  expect(counted()).toBe(0)
})

test.for(['cancelled', 'failed'] as const)(
  'a model that others have loaded counts as theirs again where a load of it is %s: nobody gets its room',
  async (end) => {
    const { preload, foreign, test: engine, counted } = openShared()
    foreign.set('a', 60)
    const first = preload('a')
    const other = preload('c')
    await settled()
    await settled()
    if (end === 'cancelled') first.cancel()
    else engine.loads.of('a').reject(new ModelError('LOAD_FAILED', 'expected it to load'))
    await expect(first).rejects.toThrow(end === 'cancelled' ? end : 'expected it to load')
    await settled()
    expect([counted(), engine.loadsOf('c'), other.seen()]).toEqual([60, 0, 'waiting'])
    // taken over by the next request as by the first
    const again = preload('a', { force: true, priority: 3 })
    await settled()
    await settled()
    engine.loads.of('a').resolve({})
    await again
    expect(counted()).toBe(60)
  },
)

test('a model that we know and others loaded counts as theirs', async () => {
  const { loadAll, evict, foreign, test: engine, reconcile, counted } = openShared()
  await loadAll('a')
  const gone = evict('a')
  await settled()
  engine.unloads.of('a').resolve()
  await gone
  foreign.set('a', 60)
  await reconcile()
  expect(counted()).toBe(60)
})

/** Ways in which `c` keeps the room that the warm model needs; each answers what ends that. */
const IN_THE_WAY = {
  pinned: async ({ pin }: Shared) => {
    pin('c')
    return () => void pin('c', false)
  },
  'asked for as urgently': async ({ preload }: Shared) => {
    await preload('c', { priority: 3 })
    return () => {}
  },
  'in use': async ({ use }: Shared) => (await use('c')).end,
}

test.for(Object.keys(IN_THE_WAY) as (keyof typeof IN_THE_WAY)[])(
  'a warm model for which there is no room is named until it is loaded, also while it waits again: another one is %s',
  async (way) => {
    const shared = openShared(['a'])
    const { loadAll, evict, clock, test: engine, reconcile, missing } = shared
    await loadAll('c')
    const end = await IN_THE_WAY[way](shared)
    expect(missing()).toEqual([])
    const first = reconcile()
    await settled()
    await clock.step(30_000)
    expect((await first).failed).toMatchObject([{ what: 'a', error: { code: 'NO_ROOM' } }])
    const named = [expect.stringContaining('a of the warm list is not in memory: expected')]
    expect(missing()).toEqual(named)
    const again = reconcile()
    await settled()
    expect(missing()).toEqual(named)
    end()
    void evict('c')
    await settled()
    engine.unloads.of('c').resolve()
    await clock.step(1)
    await Promise.race([again, settled()])
    const last = reconcile()
    await settled()
    expect(missing()).toEqual(named)
    engine.loads.of('a').resolve({})
    await last
    expect(missing()).toEqual([])
  },
)
