import { expect, test } from 'vitest'
import { createHttpCall } from '../src/engines/ollama/http-call.js'
import { makeCacheWorker, startCacheWorker, startOllama } from './cache-worker.js'

const never = new AbortController().signal
const GIB = 2 ** 30
const HELD = { path: '/api/generate', kind: 'hold' } as const

type Options = Parameters<typeof startCacheWorker>[0]

/** Two workers, each with a cache of its own, and the one server that both load on. */
async function startTwo(options: Options = {}) {
  const server = await startOllama()
  const [one, two] = await Promise.all([
    startReplica({ ...options, server, replica: 'one' }),
    startReplica({ ...options, server, replica: 'two' }),
  ])
  return { server, one, two }
}

async function startReplica(options: Options) {
  const { worker, lines } = await startCacheWorker(options)
  const submit = (payload: { model_id: string; operation?: 'evict' | 'warmup' }) =>
    worker.submit('model_cache', payload)
  const budget = async () => {
    const { budgets } = await worker.query('model_cache_status', {})
    return budgets.find(({ pool }) => pool !== 'process')
  }
  return {
    worker,
    lines,
    submit,
    budget,
    run: async (payload: Parameters<typeof submit>[0]) => (await submit(payload)).result(),
    states: async () => {
      const { models } = await worker.query('model_cache_status', {})
      return models.map(({ model_id, state }) => [model_id, state])
    },
    reconcile: async () => (await worker.submit('model_cache', { operation: 'reconcile' })).result(),
    count: async (metric: string) => {
      const line = (await worker.registry.metrics()).split('\n').find((one) => one.startsWith(metric))
      return Number(line?.split(' ').at(-1) ?? 0)
    },
  }
}

test('what one replica has loaded is a hit for the other, and no load', async () => {
  const { server, one, two } = await startTwo()
  expect(await one.run({ model_id: 'gemma:2b' })).toMatchObject({ outcome: 'loaded' })
  expect(await two.run({ model_id: 'gemma:2b' })).toMatchObject({
    outcome: 'hit',
    load_seconds: null,
    warmup: { runs: 1 },
    bytes: { measured: 2 * GIB },
    replicas: [{ replica: 'two', state: 'ready' }],
  })
  expect(server.loads).toEqual(['gemma:2b'])
  expect(await two.count('mcp_worker_model_cache_loads_total')).toBe(0)
  expect(await two.count('mcp_worker_model_cache_requests_total{engine="ollama",outcome="hit"}')).toBe(1)
})

test('a request while the other replica loads the model waits for that load, longer than a question may take', async () => {
  const { server, one, two } = await startTwo({ warmupRuns: 0, requestTimeout: '1s' })
  server.faults.push(HELD)
  const first = await one.submit({ model_id: 'gemma:2b' })
  await server.held(1)
  const questions = () => server.received.filter(({ path }) => path === '/api/ps').length
  const before = questions()
  const second = await two.submit({ model_id: 'gemma:2b' })
  await expect.poll(questions).toBeGreaterThan(before)
  // the list of what runs is held back while the server loads: another question's time limit is the clock
  const ask = createHttpCall(server.url, undefined)
  await expect(ask('/api/ps', undefined, { signal: never, timeoutMs: 1200 })).rejects.toMatchObject({
    code: 'ENDPOINT_TIMEOUT',
  })
  server.release()
  expect(await first.result()).toMatchObject({ outcome: 'loaded' })
  expect(await second.result()).toMatchObject({ outcome: 'hit' })
  expect(server.loads).toEqual(['gemma:2b'])
  expect(await two.worker.get(second.id)).toMatchObject({ attempts: 0 })
})

test('a load that one replica gives up does not cost the other, which waits for it, its model', async () => {
  const { server, one, two } = await startTwo({ warmupRuns: 0 })
  server.faults.push(HELD)
  const first = await one.submit({ model_id: 'gemma:2b' })
  await server.held(1)
  const asked = () => server.received.filter(({ path }) => path === '/api/ps').length
  const before = asked()
  const second = await two.submit({ model_id: 'gemma:2b' })
  await expect.poll(asked).toBeGreaterThan(before)
  await one.worker.cancel(first.id)
  await expect(first.result()).rejects.toMatchObject({ code: 'cancelled' })
  server.release()
  expect(await second.result()).toMatchObject({ replicas: [{ replica: 'two', state: 'ready' }] })
  expect(await two.worker.get(second.id)).toMatchObject({ attempts: 0 })
  expect([...server.loaded]).toEqual(['gemma:2b'])
})

test('what one replica unloads the other notices, and loads it again when it is asked for', async () => {
  const { server, one, two } = await startTwo()
  await one.run({ model_id: 'gemma:2b' })
  await two.run({ model_id: 'gemma:2b' })
  expect(await two.run({ model_id: 'gemma:2b', operation: 'evict' })).toMatchObject({ outcome: 'evicted' })
  await expect.poll(one.states).toEqual([])
  expect(await one.budget()).toMatchObject({ used: 0, reserved: 0 })
  expect(await one.count('mcp_worker_model_cache_gone_total')).toBe(1)
  expect(await one.run({ model_id: 'gemma:2b' })).toMatchObject({ outcome: 'loaded' })
  expect(server.loads).toEqual(['gemma:2b', 'gemma:2b'])
})

test('a model of both replicas counts once in the budget of each, one of the other alone counts as well', async () => {
  const { one, two } = await startTwo({ endpointMemoryLimitMb: 5 * 1024, minResidency: '0s' })
  await one.run({ model_id: 'llama3-8b' })
  expect(await two.run({ model_id: 'llama3-8b' })).toMatchObject({ budget: { used: 3 * GIB } })
  await one.run({ model_id: 'gemma:2b' })
  for (const { reconcile, budget } of [one, two]) {
    await reconcile()
    expect(await budget()).toMatchObject({ used: 5 * GIB, reserved: 0, limit: 5 * GIB })
  }
  expect((await one.budget())?.peak).toBe(5 * GIB)
  expect((await two.budget())?.peak).toBe(5 * GIB)
})

test("a replica makes room from what it asked for itself, never from what is only the other one's", async () => {
  const { server, one, two } = await startTwo({
    endpointMemoryLimitMb: 7 * 1024,
    minResidency: '0s',
  })
  await one.run({ model_id: 'llama3-8b' })
  await two.run({ model_id: 'gemma:2b' })
  // 3 of the other and 2 of its own leave 2: enough for one more, and the next pushes out its own alone
  expect(await two.run({ model_id: 'qwen3:4b' })).toMatchObject({ outcome: 'loaded', evicted: [] })
  expect(await two.run({ model_id: 'Mixed/Case-GGUF:Q4_K_M' })).toMatchObject({
    outcome: 'loaded',
    evicted: [{ reason: 'room' }],
  })
  expect(server.loaded).toContain('llama3-8b:latest')
  expect(await one.states()).toEqual([['llama3-8b', 'ready']])
})

test('two replicas that start with the same warm list load each model once', async () => {
  const server = await startOllama()
  const warm = ['llama3-8b', 'qwen3-4b']
  const made = [await makeCacheWorker({ warm, server }), await makeCacheWorker({ warm, server })]
  await Promise.all(made.map(({ worker }) => worker.start()))
  expect(server.loads.toSorted()).toEqual(['llama3-8b:latest', 'qwen3:4b'])
  for (const { worker } of made)
    expect((await worker.query('model_cache_status', {})).models).toMatchObject([
      { state: 'ready' },
      { state: 'ready' },
    ])
})

test('a replica that stops leaves on the server what the other one has too', async () => {
  const { server, one, two } = await startTwo()
  await one.run({ model_id: 'gemma:2b' })
  await two.run({ model_id: 'gemma:2b' })
  await one.worker.stop()
  expect(await two.run({ model_id: 'gemma:2b' })).toMatchObject({ outcome: 'hit' })
  expect(server.loads).toEqual(['gemma:2b'])
})

test('a hit on a model in memory waits for no load of another model, though the server does not say what it holds', async () => {
  const { server, one, two } = await startTwo({ warmupRuns: 0, requestTimeout: '1s', keepAlive: '10m' })
  await one.run({ model_id: 'gemma:2b' })
  server.faults.push(HELD)
  const loading = await two.submit({ model_id: 'qwen3:4b' })
  await server.held(1)
  const hit = await one.submit({ model_id: 'gemma:2b' })
  expect(await hit.result()).toMatchObject({ outcome: 'hit' })
  expect(await one.worker.get(hit.id)).toMatchObject({ attempts: 0 })
  server.release()
  expect(await loading.result()).toMatchObject({ outcome: 'loaded' })
})

test('status tells what others hold, and what a dead replica left can be taken over and evicted', async () => {
  const { server, one, two } = await startTwo({
    endpointMemoryLimitMb: 5 * 1024,
    minResidency: '0s',
    roomWait: '100ms',
  })
  await one.run({ model_id: 'llama3-8b' })
  await one.worker.stop()
  await two.run({ model_id: 'gemma:2b' })
  expect(await two.budget()).toMatchObject({ used: 5 * GIB, others: 3 * GIB })
  expect(await two.run({ model_id: 'llama3-8b' })).toMatchObject({
    outcome: 'hit',
    budget: { used: 5 * GIB },
  })
  expect(await two.budget()).toMatchObject({ others: 0 })
  expect(await two.run({ model_id: 'llama3-8b', operation: 'evict' })).toMatchObject({
    outcome: 'evicted',
    budget: { used: 2 * GIB },
  })
  expect([...server.loaded]).toEqual(['gemma:2b'])
})
