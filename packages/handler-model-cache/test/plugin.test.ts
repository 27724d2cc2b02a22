import { expect, test } from 'vitest'
import { makeCacheWorker, startCacheWorker } from './cache-worker.js'

/** As in docs/guides/warm-models.md. */
const SEED = { model_id: 'llama3-8b', operation: 'preload', priority: 'high' } as const
const GIB = 2 ** 30

test("the seed's payload loads and warms the model on the Ollama server, a second time it is a hit", async () => {
  const { worker, server } = await startCacheWorker({ replica: 'one' })
  const first = await worker.submit('model_cache', SEED)
  expect(await first.result()).toMatchObject({
    operation: 'preload',
    outcome: 'loaded',
    model_id: 'llama3-8b',
    engine: 'ollama',
    warmup: { runs: 1 },
    bytes: { measured: 3 * GIB },
    evicted: [],
    replicas: [{ replica: 'one', state: 'ready' }],
    budget: { used: 3 * GIB, reserved: 0, limit: null },
  })
  expect([...server.loaded]).toEqual(['llama3-8b:latest'])
  const second = await worker.submit('model_cache', SEED)
  expect(await second.result()).toMatchObject({ outcome: 'hit' })
})

test('payloads that make no sense are refused at the submit with the path of the fault', async () => {
  const { worker } = await startCacheWorker()
  const bad: [unknown, string][] = [
    [{}, 'payload.model_id'],
    [{ model_id: 'a', keep_alive: '24' }, 'payload.keep_alive'],
    [{ model_id: 'a', keep_alive: -5 }, 'payload.keep_alive'],
    [{ model_id: 'a', keep_alive: '999999999d' }, 'payload.keep_alive'],
    [{ model_id: 'a\n' }, 'payload.model_id'],
    [{ model_id: 'a', digest: 'abc' }, 'payload.digest'],
    [{ model_id: 'a', warmup: { runs: 0 } }, 'payload.warmup.runs'],
    [{ model_id: 'a', warmup: { inputs: [1], prompt: 'x' } }, 'payload.warmup'],
    [{ model_id: 'a', priority: 'urgent' }, 'payload.priority'],
  ]
  for (const [payload, path] of bad)
    await expect(worker.submit('model_cache', payload as never)).rejects.toMatchObject({
      code: 'invalid_payload',
      faults: [{ path }],
    })
  const unknown = worker.submit('model_cache', { model_id: 'a', operation: 'evict', pin: true } as never)
  await expect(unknown).rejects.toMatchObject({ code: 'invalid_payload' })
})

test('a missing model fails at the first attempt with its code and the name as it was written', async () => {
  const { worker } = await startCacheWorker()
  const task = await worker.submit('model_cache', { model_id: 'no-such' })
  await expect(task.result()).rejects.toThrow('"no-such"')
  expect(await worker.get(task.id)).toMatchObject({
    attempts: 1,
    failureReason: 'non_retryable',
    error: { code: 'MODEL_NOT_FOUND' },
  })
})

test('the error of a task says once what was wrong, and what caused it', async () => {
  const { worker, server } = await startCacheWorker()
  const messageOf = async (payload: { model_id: string }) => {
    const task = await worker.submit('model_cache', payload, { maxAttempts: 1 })
    await task.result().catch(() => {})
    return (await worker.get(task.id))?.error?.message ?? ''
  }
  expect(await messageOf({ model_id: 'no:such' })).toBe(
    `expected "no:such" on ${server.url}, got no such model (ollama pull). Check the name, and that the model is where its engine looks for it.`,
  )
  await server.stop()
  expect(await messageOf({ model_id: 'gemma:2b' })).toMatch(
    /^expected an answer .*; caused by Error: connect ECONNREFUSED [^;]*$/,
  )
  // in the backoff of that
  expect(await messageOf({ model_id: 'gemma:2b' })).toMatch(
    /^the last load of gemma:2b failed: expected an answer [^.]*\S*[^;]*from here(\.|; caused by Error: connect ECONNREFUSED [^;]*)$/,
  )
})

test('the times of a warmup are told to the microsecond, those of a model in memory too', async () => {
  const { worker } = await startCacheWorker()
  const run = async () =>
    (await worker.submit('model_cache', { model_id: 'gemma:2b', operation: 'warmup' })).result()
  await run()
  const { outcome, warmup } = await run()
  expect([outcome, warmup?.first_ms, warmup?.p50_ms]).toEqual([
    'hit',
    Number(warmup?.first_ms.toFixed(3)),
    Number(warmup?.p50_ms.toFixed(3)),
  ])
})

test('status says of a model that is not in memory why its last load ended', async () => {
  const { worker } = await startCacheWorker()
  await (await worker.submit('model_cache', { model_id: 'no:such' })).result().catch(() => {})
  expect((await worker.query('model_cache_status', { all: true })).models).toMatchObject([
    { model_id: 'no:such', state: 'absent', error: { code: 'MODEL_NOT_FOUND', retry_in_seconds: 0 } },
  ])
})

test('an unknown engine is a permanent fault that names the engines', async () => {
  const { worker } = await startCacheWorker()
  const task = await worker.submit('model_cache', { model_id: 'a', engine: 'vllm' })
  await expect(task.result()).rejects.toThrow('one of the engines ollama, onnx, file, embedder')
})

test('options that name engines which are not there end the start, all of them at once', async () => {
  const models = { chat: { engine: 'vllm' }, words: { engine: 'embedder' } }
  const { worker } = await makeCacheWorker({ defaultEngine: 'olama', models })
  const known = 'expected engines of ollama, onnx, file, embedder'
  await expect(worker.start()).rejects.toThrow(
    `${known}, got olama as defaultEngine, vllm as models["chat"].engine`,
  )
})

test('a server that is down is retried, and its absence alone does not make the worker unhealthy', async () => {
  const { worker, server } = await startCacheWorker()
  await server.stop()
  const task = await worker.submit('model_cache', SEED, { maxAttempts: 1 })
  await expect(task.result()).rejects.toThrow(server.url)
  expect(await worker.get(task.id)).toMatchObject({
    failureReason: 'exhausted',
    error: { code: 'ENDPOINT_UNREACHABLE' },
  })
  expect(await worker.checkHealth()).toMatchObject({ ok: true })
})

test('pinned models stay: a preload without room is refused, and goes through after unpin', async () => {
  const { worker } = await startCacheWorker({ endpointMemoryLimitMb: 4096, minResidency: '0s' })
  const run = async (payload: Parameters<typeof worker.submit<'model_cache'>>[1]) =>
    (await worker.submit('model_cache', payload)).result()
  expect(await run({ model_id: 'llama3-8b', operation: 'pin' })).toMatchObject({ outcome: 'loaded' })
  expect(await run({ model_id: 'qwen3:4b' })).toMatchObject({ outcome: 'refused', reason: 'pinned' })
  expect(await run({ model_id: 'llama3-8b', operation: 'evict' })).toMatchObject({
    outcome: 'refused',
    reason: 'pinned',
  })
  expect(await run({ model_id: 'llama3-8b', operation: 'unpin' })).toMatchObject({ outcome: 'hit' })
  expect(await run({ model_id: 'qwen3:4b' })).toMatchObject({
    outcome: 'loaded',
    evicted: [{ model: 'llama3-8b', reason: 'room' }],
  })
  const status = await worker.query('model_cache_status', {})
  expect(status).toMatchObject({
    models: [{ model_id: 'qwen3:4b', state: 'ready', pinned: false, uses: 0, warmup: { runs: 1 } }],
    budgets: expect.arrayContaining([
      expect.objectContaining({
        used: 2 * GIB,
        reserved: 0,
        limit: 4 * GIB,
        waiting: 0,
        peak: 4 * GIB - GIB,
      }),
    ]),
    last_eviction: { for_model: 'qwen3:4b', candidates: [{ model: 'llama3-8b', chosen: true }] },
  })
  expect(status.last_eviction?.why).toContain('the least loading is to be expected')
})

test('warmup of a model in memory runs it again, one that is absent is loaded first', async () => {
  const { worker, server } = await startCacheWorker()
  const generates = () => server.received.filter(({ path }) => path === '/api/generate').length
  const run = async () =>
    (
      await worker.submit('model_cache', {
        model_id: 'gemma:2b',
        operation: 'warmup',
        warmup: { runs: 2, prompt: 'hello' },
      })
    ).result()
  expect(await run()).toMatchObject({ outcome: 'loaded', warmup: { runs: 2 } })
  const before = generates()
  expect(await run()).toMatchObject({ outcome: 'hit', warmup: { runs: 2 } })
  expect(generates() - before).toBe(2)
})

test('reconcile notices what the server dropped and loads pinned models again', async () => {
  // the engine's own watch is slow here, so that reconcile is the one that sees it
  const { worker, server } = await startCacheWorker({ reconcileInterval: '1h' })
  const run = async (payload: Parameters<typeof worker.submit<'model_cache'>>[1]) =>
    (await worker.submit('model_cache', payload)).result()
  await run({ model_id: 'gemma:2b', pin: true })
  server.loaded.delete('gemma:2b')
  expect(await run({ operation: 'reconcile' })).toMatchObject({ outcome: 'loaded' })
  expect([...server.loaded]).toEqual(['gemma:2b'])
  expect(await run({ operation: 'reconcile' })).toMatchObject({ outcome: 'hit' })
})

test('status of one model tells how it stands here', async () => {
  const { worker } = await startCacheWorker()
  const run = async (payload: Parameters<typeof worker.submit<'model_cache'>>[1]) =>
    (await worker.submit('model_cache', payload)).result()
  expect(await run({ operation: 'status', model_id: 'gemma:2b' })).toMatchObject({
    outcome: 'absent',
    models: [],
  })
  await run({ model_id: 'gemma:2b', keep_alive: '10m' })
  expect(await run({ operation: 'status', model_id: 'gemma:2b' })).toMatchObject({
    outcome: 'hit',
    models: [{ model_id: 'gemma:2b', state: 'ready', engine: 'ollama' }],
  })
})

test('the metrics count requests, loads and evictions, and show the bytes', async () => {
  const { worker } = await startCacheWorker({ endpointMemoryLimitMb: 4096, minResidency: '0s' })
  for (const model_id of ['llama3-8b', 'llama3-8b', 'qwen3:4b', 'llama3-8b'])
    await (await worker.submit('model_cache', { model_id })).result()
  const text = await worker.registry.metrics()
  expect(text).toContain('mcp_worker_model_cache_requests_total{engine="ollama",outcome="hit"} 1')
  expect(text).toContain('mcp_worker_model_cache_requests_total{engine="ollama",outcome="loaded"} 3')
  expect(text).toContain('mcp_worker_model_cache_loads_total{engine="ollama",outcome="loaded"} 3')
  expect(text).toContain('mcp_worker_model_cache_evictions_total{engine="ollama",reason="room"} 2')
  expect(text).toContain('mcp_worker_model_cache_reloads_soon_total{engine="ollama"} 1')
  expect(text).toContain('mcp_worker_model_cache_load_seconds_count{engine="ollama"} 3')
  expect(text).toMatch(/mcp_worker_model_cache_models\{state="ready"\} \d/)
})

test('the operation warmup runs the model where no other load is warmed', async () => {
  const { worker, server } = await startCacheWorker({ warmupRuns: 0 })
  const task = await worker.submit('model_cache', { operation: 'warmup', model_id: 'gemma:2b' })
  expect(await task.result()).toMatchObject({ outcome: 'loaded', warmup: { runs: 1 } })
  expect(server.received.findLast(({ path }) => path === '/api/generate')?.body).toHaveProperty('prompt')
})
