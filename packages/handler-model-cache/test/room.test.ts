import { expect, test } from 'vitest'
import { openCache } from './cache-harness.js'
import { settled } from './stepped-clock.js'

const MODELS = { a: 60, b: 60, c: 30, d: 30, e: 40, huge: 200 }

test('two models of 60 % each: the second is loaded after the memory of the first is back, and never before', async () => {
  const { preload, loadAll, test: engine, counted, stateOf } = openCache(MODELS)
  await loadAll('a')
  const asked = preload('b')
  await settled()
  expect([engine.log, stateOf('a'), counted()]).toEqual([['load a', 'unload a'], 'unloading', 60])
  engine.unloads.of('a').resolve()
  await settled()
  engine.loads.of('b').resolve({})
  await asked
  expect([engine.state.peak, counted(), stateOf('a')]).toEqual([60, 60, 'absent'])
})

test('two concurrent loads of 60 % each never exceed the budget', async () => {
  const { preload, test: engine } = openCache(MODELS, { settings: { minResidencyMs: 0 } })
  const asked = [preload('a'), preload('b')]
  await settled()
  expect(engine.log).toEqual(['load a'])
  engine.loads.of('a').resolve({})
  await settled()
  engine.unloads.of('a').resolve()
  await settled()
  engine.loads.of('b').resolve({})
  await Promise.all(asked)
  expect(engine.state.peak).toBe(60)
})

test('a model larger than the budget is MODEL_OVER_BUDGET, and nothing is evicted for it', async () => {
  const { preload, loadAll, stateOf } = openCache(MODELS)
  await loadAll('a')
  await expect(preload('huge')).rejects.toMatchObject({ code: 'MODEL_OVER_BUDGET', retryable: false })
  expect(stateOf('a')).toBe('ready')
})

test.for(['MODEL_NOT_FOUND', 'MODEL_CORRUPT', 'MODEL_TRUNCATED', 'DIGEST_MISMATCH'] as const)(
  '%s is found before anything is evicted, and is not backed off',
  async (code) => {
    const { preload, loadAll, test: engine, stateOf } = openCache(MODELS)
    await loadAll('a')
    engine.state.estimateError = code
    await expect(preload('b')).rejects.toMatchObject({ code, retryable: false })
    expect([stateOf('a'), stateOf('b'), engine.log]).toEqual(['ready', 'absent', ['load a']])
  },
)

test('a pinned model is not evicted: the request is refused and says so', async () => {
  const { preload, loadAll, pin, stateOf } = openCache(MODELS)
  await loadAll('a')
  pin('a')
  await expect(preload('b')).resolves.toEqual({ kind: 'refused', reason: 'pinned' })
  expect(stateOf('a')).toBe('ready')
})

test('a request that may evict nobody is refused by its own rule', async () => {
  const { preload, loadAll } = openCache(MODELS)
  await loadAll('a')
  await expect(preload('b', { evict: 'none' })).resolves.toEqual({ kind: 'refused', reason: 'rule' })
})

test('lower_priority evicts only what was asked for with a lower one', async () => {
  const { preload, loadAll, test: engine } = openCache(MODELS)
  await loadAll('a')
  await expect(preload('b', { evict: 'lower_priority', priority: 1 })).resolves.toMatchObject({
    kind: 'refused',
  })
  const urgent = preload('b', { evict: 'lower_priority', priority: 2 })
  await settled()
  engine.unloads.of('a').resolve()
  await settled()
  engine.loads.of('b').resolve({})
  await expect(urgent).resolves.toMatchObject({ how: 'loaded' })
})

test('a model in use is waited for, and evicted when its use ends', async () => {
  const { preload, loadAll, use, test: engine, stateOf } = openCache(MODELS)
  await loadAll('a')
  const using = await use('a')
  const asked = preload('b')
  await settled()
  expect([asked.seen(), stateOf('a')]).toEqual(['waiting', 'ready'])
  using.end()
  await settled()
  expect(stateOf('a')).toBe('unloading')
  engine.unloads.of('a').resolve()
  await settled()
  engine.loads.of('b').resolve({})
  await expect(asked).resolves.toMatchObject({ how: 'loaded' })
})

test('who waits longer than roomWait for room is told NO_ROOM, which is retryable', async () => {
  const { preload, loadAll, use, clock } = openCache(MODELS, { settings: { roomWaitMs: 5000 } })
  await loadAll('a')
  await use('a')
  const asked = preload('b')
  await settled()
  await clock.step(5000)
  expect(asked.seen()).toMatchObject({ code: 'NO_ROOM', retryable: true })
})

test('a model that has just become ready is not evicted before its minimum residency', async () => {
  const { preload, loadAll, stateOf, clock } = openCache(MODELS, { settings: { minResidencyMs: 10_000 } })
  await loadAll('a')
  void preload('b').catch(() => {})
  await settled()
  await clock.step(9999)
  expect(stateOf('a')).toBe('ready')
  await clock.step(1)
  expect(stateOf('a')).toBe('unloading')
})

test('the more urgent request is given the room first, then first come, first served', async () => {
  const { preload, loadAll, use, test: engine } = openCache({ ...MODELS, f: 60, g: 60 })
  await loadAll('a')
  const using = await use('a')
  for (const [modelId, priority] of [
    ['b', 0],
    ['f', 2],
    ['g', 2],
  ] as const)
    void preload(modelId, { priority }).catch(() => {})
  await settled()
  using.end()
  await settled()
  for (const [leaving, coming] of [
    ['a', 'f'],
    ['f', 'g'],
    ['g', 'b'],
  ] as const) {
    engine.unloads.of(leaving).resolve()
    await settled()
    engine.loads.of(coming).resolve({})
    await settled()
  }
  expect(engine.log.filter((line) => line.startsWith('load'))).toEqual([
    'load a',
    'load f',
    'load g',
    'load b',
  ])
})

test('a small request does not overtake a large one that waits', async () => {
  const { preload, loadAll, use, test: engine } = openCache(MODELS)
  await loadAll('a')
  const using = await use('a')
  const large = preload('b')
  const small = preload('c')
  await settled()
  expect([large.seen(), small.seen(), engine.log]).toEqual(['waiting', 'waiting', ['load a']])
  using.end()
  await settled()
  engine.unloads.of('a').resolve()
  await settled()
  expect(engine.log).toEqual(['load a', 'unload a', 'load b', 'load c'])
})

test('policy cost gives up the set of idle models whose absence costs least: rate × load seconds', async () => {
  const {
    preload,
    test: engine,
    clock,
    told,
  } = openCache({ often: 40, slow: 40, seldom: 20, new: 40 }, { settings: { policy: 'cost' } })
  const loadIn = async (modelId: string, ms: number) => {
    const asked = preload(modelId)
    await settled()
    await clock.step(ms)
    engine.loads.of(modelId).resolve({})
    await asked
  }
  await loadIn('often', 1000)
  await loadIn('slow', 60_000)
  await loadIn('seldom', 1000)
  for (let i = 0; i < 9; i += 1) await preload('often')
  void preload('new').catch(() => {})
  await settled()
  // often: 10 requests × 1 s; slow: 1 × 60 s; seldom frees too little alone
  expect(engine.log.filter((line) => line.startsWith('unload'))).toEqual(['unload often'])
  expect(told.find(([what]) => what === 'chose')?.[1]).toMatchObject({
    forModel: 'new',
    neededBytes: 40,
    policy: 'cost',
    candidates: [
      { modelId: 'often', chosen: true },
      { modelId: 'slow', chosen: false },
      { modelId: 'seldom', chosen: false },
    ],
  })
})

test.for([
  ['a', 'b'],
  ['b', 'a'],
] as const)(
  'policy plan keeps of two models alike the one that is asked for more: %s',
  async ([kept, gone]) => {
    const { preload, test: engine, clock } = openCache({ a: 40, b: 40, new: 40 })
    for (const modelId of ['a', 'b']) {
      const asked = preload(modelId)
      await settled()
      await clock.step(1000)
      engine.loads.of(modelId).resolve({})
      await asked
    }
    for (let i = 0; i < 5; i += 1) await preload(kept)
    await preload(gone)
    void preload('new').catch(() => {})
    await settled()
    expect(engine.log.filter((line) => line.startsWith('unload'))).toEqual([`unload ${gone}`])
  },
)

test('policy lru evicts the least recently used first', async () => {
  const { preload, loadAll, test: engine, clock } = openCache(MODELS, { settings: { policy: 'lru' } })
  for (const modelId of ['c', 'd', 'e']) {
    await loadAll(modelId)
    await clock.step(1000)
  }
  await preload('c')
  void preload('a').catch(() => {})
  await settled()
  expect(engine.log.filter((line) => line.startsWith('unload'))).toEqual(['unload d', 'unload e'])
})

test('what others hold in a shared pool leaves less room: a request waits until they go', async () => {
  const harness = openCache(MODELS, { pool: 'shared', sharedEndpoint: true })
  const { preload, cache, counted, test: engine } = harness
  const theirs = { modelId: 'x', revision: null, bytes: 50, idleMs: null }
  engine.engine.observe = async () => [theirs]
  const asked = preload('a')
  await settled()
  expect([asked.seen(), counted(), engine.log]).toEqual(['waiting', 50, []])
  engine.engine.observe = async () => []
  await cache.observe(engine.engine, new AbortController().signal)
  await settled()
  engine.loads.of('a').resolve({})
  await expect(asked).resolves.toMatchObject({ how: 'loaded' })
})

test('who waits in vain for what others hold is told how much that is', async () => {
  const { preload, clock, test: engine } = openCache(MODELS, { pool: 'shared', sharedEndpoint: true })
  engine.engine.observe = async () => [{ modelId: 'x', revision: null, bytes: 50, idleMs: null }]
  const asked = preload('a')
  await settled()
  await clock.step(30_000)
  await expect(asked).rejects.toThrow(
    'expected 60 bytes for a in shared, got 50 of 100 within 30000 ms (others hold 50 there, which this cache does not evict)',
  )
})

test('who joins with a wider rule widens it for all: the room is looked at again at once', async () => {
  const { preload, loadAll, use, test: engine } = openCache({ a: 50, c: 50, b: 50 })
  await loadAll('a')
  const urgent = preload('c', { priority: 3 })
  await settled()
  engine.loads.of('c').resolve({})
  await urgent
  const using = await use('a')
  const narrow = preload('b', { evict: 'lower_priority', priority: 2 })
  await settled()
  expect([narrow.seen(), engine.log]).toEqual(['waiting', ['load a', 'load c']])
  void preload('b', { evict: 'any', priority: 2 }).catch(() => {})
  await settled()
  expect(engine.log).toEqual(['load a', 'load c', 'unload c'])
  using.end()
})

test('a model in memory keeps the highest priority that it was asked for with', async () => {
  const { preload, test: engine } = openCache(MODELS)
  const urgent = preload('a', { priority: 3 })
  await settled()
  engine.loads.of('a').resolve({})
  await urgent
  await preload('a', { priority: 0 })
  await expect(preload('b', { priority: 2, evict: 'lower_priority' })).resolves.toMatchObject({
    kind: 'refused',
  })
})
