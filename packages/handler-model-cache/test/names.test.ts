import { expect, test } from 'vitest'
import { startCacheWorker } from './cache-worker.js'

const GIB = 2 ** 30

test('a name with a dash finds the model that the server calls by a tag', async () => {
  const { worker, server } = await startCacheWorker()
  const task = await worker.submit('model_cache', { model_id: 'qwen3-4b' })
  expect(await task.result()).toMatchObject({ outcome: 'loaded' })
  expect([...server.loaded]).toEqual(['qwen3:4b'])
  const text = await worker.registry.metrics()
  expect(text).not.toContain('outcome="failed"')
  const evict = await worker.submit('model_cache', { model_id: 'qwen3-4b', operation: 'evict' })
  expect(await evict.result()).toMatchObject({ outcome: 'evicted' })
  expect([...server.loaded]).toEqual([])
})

test('the option models gives a name its engine, its spelling and its warmup', async () => {
  const { worker, server } = await startCacheWorker({
    models: { chat: { engine: 'ollama', name: 'gemma:2b', warmup: { runs: 3 } } },
  })
  const task = await worker.submit('model_cache', { model_id: 'chat' })
  expect(await task.result()).toMatchObject({ outcome: 'loaded', warmup: { runs: 3 } })
  expect([...server.loaded]).toEqual(['gemma:2b'])
})

test('the spellings that the server takes for one model are one model here', async () => {
  const { worker } = await startCacheWorker()
  const outcomeOf = async (model_id: string) =>
    (await (await worker.submit('model_cache', { model_id })).result())?.outcome
  expect(await outcomeOf('llama3-8b')).toBe('loaded')
  expect(await outcomeOf('llama3-8b:latest')).toBe('hit')
  expect(await outcomeOf('library/llama3-8b')).toBe('hit')
  expect(await outcomeOf('LLAMA3-8B')).toBe('hit')
  expect(await outcomeOf('Library/Llama3-8b:Latest')).toBe('hit')
  expect((await worker.query('model_cache_status', { all: true })).models).toHaveLength(1)
})

test('a name in capitals finds, loads, counts and evicts the model that the server writes in another case', async () => {
  const { worker, server } = await startCacheWorker({ endpointMemoryLimitMb: 4096, minResidency: '0s' })
  const run = async (payload: { model_id: string; operation?: 'evict' | 'status' }) =>
    (await worker.submit('model_cache', payload)).result()
  expect(await run({ model_id: 'Mixed/Case-GGUF:Q4_K_M' })).toMatchObject({ outcome: 'loaded' })
  expect(await run({ model_id: 'mixed/case-gguf:q4_k_m' })).toMatchObject({
    outcome: 'hit',
    budget: { used: GIB },
  })
  // asked for as the server writes it: not each server finds another case
  const asked = server.received.flatMap(({ body }) => ('model' in body ? [body['model']] : []))
  expect(new Set(asked)).toEqual(new Set(['Mixed/Case-GGUF:Q4_K_M']))
  await run({ model_id: 'QWEN3:4B' })
  expect(await run({ operation: 'status', model_id: 'Qwen3:4b' })).toMatchObject({
    outcome: 'hit',
    budget: { used: 3 * GIB },
  })
  expect(await run({ operation: 'evict', model_id: 'MIXED/case-gguf:q4_k_m' })).toMatchObject({
    outcome: 'evicted',
  })
  expect([...server.loaded]).toEqual(['qwen3:4b'])
})

/** Pins a model by the name with a dash for what the server calls by a tag, and has the server lose it. */
async function pinAndLose() {
  const { worker, server } = await startCacheWorker({ reconcileInterval: '1h', warmupRuns: 0 })
  const run = async (payload: Parameters<typeof worker.submit<'model_cache'>>[1]) =>
    (await worker.submit('model_cache', payload)).result()
  await run({ model_id: 'gemma-2b', operation: 'pin' })
  server.loaded.delete('gemma:2b')
  await expect.poll(async () => (await worker.query('model_cache_status', {})).models).toEqual([])
  return { run, server }
}

test.for([{ operation: 'unpin' }, { operation: 'evict', force: true }] as const)(
  'a pinned model that was lost is not loaded again after $operation, by the name that it was pinned by',
  async (wish) => {
    const { run, server } = await pinAndLose()
    expect(await run({ model_id: 'gemma-2b', ...wish })).toMatchObject({ outcome: 'absent' })
    expect(await run({ operation: 'reconcile' })).toMatchObject({ outcome: 'hit' })
    expect([...server.loaded]).toEqual([])
  },
)

test('a pinned model that was lost stays pinned by an eviction without force', async () => {
  const { run, server } = await pinAndLose()
  expect(await run({ model_id: 'gemma-2b', operation: 'evict' })).toMatchObject({ outcome: 'absent' })
  expect(await run({ operation: 'reconcile' })).toMatchObject({ outcome: 'loaded' })
  expect([...server.loaded]).toEqual(['gemma:2b'])
})

test('status by a name with a dash tells why the model that was meant is not in memory', async () => {
  const { worker, server } = await startCacheWorker()
  const error = 'error loading model: invalid magic'
  server.faults.push({ path: '/api/generate', kind: 'status', status: 500, error })
  await (await worker.submit('model_cache', { model_id: 'gemma-2b' })).result().catch(() => {})
  const status = await worker.submit('model_cache', { model_id: 'gemma-2b', operation: 'status' })
  expect((await status.result()).models).toMatchObject([
    { model_id: 'gemma:2b', error: { code: 'MODEL_CORRUPT' } },
  ])
})
