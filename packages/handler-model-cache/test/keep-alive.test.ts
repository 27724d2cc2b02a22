import { expect, test } from 'vitest'
import { startCacheWorker } from './cache-worker.js'

const GIB = 2 ** 30

test('keep_alive 0 loads, warms and unloads again on a server that sees uses of its own', async () => {
  const { worker, server } = await startCacheWorker()
  const task = await worker.submit('model_cache', { model_id: 'gemma:2b', keep_alive: 0 })
  expect(await task.result()).toMatchObject({ outcome: 'loaded', warmup: { runs: 1 } })
  await expect
    .poll(async () => (await worker.query('model_cache_status', {})).models.map(({ state }) => state))
    .toEqual([])
  expect([...server.loaded]).toEqual([])
})

test('keep_alive is handed to the server with the load', async () => {
  const { worker, server } = await startCacheWorker()
  await (await worker.submit('model_cache', { model_id: 'gemma:2b', keep_alive: '10m' })).result()
  const loads = server.received.filter(({ path }) => path === '/api/generate')
  expect(loads[0]?.body).toMatchObject({ model: 'gemma:2b', keep_alive: '600000ms' })
})

/** What the server was told of how long it should keep a model: by empty generates, in their order. */
function toldTimes(server: { readonly received: readonly { path: string; body: object }[] }): unknown[] {
  return server.received
    .filter(({ path, body }) => path === '/api/generate' && !('prompt' in body))
    .map(({ body }) => ('keep_alive' in body ? body.keep_alive : null))
}

test('keep_alive of a model in memory is set at the server, and each later hit starts that time anew', async () => {
  const { worker, server } = await startCacheWorker({ warmupRuns: 0 })
  const preload = async (more: object) =>
    (await worker.submit('model_cache', { model_id: 'gemma:2b', ...more })).result()
  expect(await preload({})).toMatchObject({ outcome: 'loaded' })
  expect(await preload({})).toMatchObject({ outcome: 'hit' })
  expect(toldTimes(server)).toEqual([-1])
  expect(await preload({ keep_alive: '10m' })).toMatchObject({ outcome: 'hit' })
  expect(await preload({})).toMatchObject({ outcome: 'hit' })
  expect(await preload({ keep_alive: -1 })).toMatchObject({ outcome: 'hit' })
  expect(toldTimes(server)).toEqual([-1, '600000ms', '600000ms', -1])
  await (await worker.submit('model_cache', { operation: 'warmup', model_id: 'gemma:2b' })).result()
  expect(server.received.findLast(({ path }) => path === '/api/generate')?.body).toMatchObject({
    prompt: 'Hello.',
    keep_alive: -1,
  })
})

test('a pinned model is kept by the server until it is unloaded, and for its keep_alive after unpin', async () => {
  const { worker, server } = await startCacheWorker({ warmupRuns: 0 })
  const submit = async (payload: { model_id: string; operation?: 'pin' | 'unpin'; keep_alive?: '10m' }) =>
    (await worker.submit('model_cache', payload)).result()
  await submit({ model_id: 'gemma:2b', keep_alive: '10m' })
  await submit({ model_id: 'gemma:2b', operation: 'pin' })
  expect(await submit({ model_id: 'gemma:2b', operation: 'unpin' })).toMatchObject({ outcome: 'hit' })
  expect(toldTimes(server)).toEqual(['600000ms', -1, '600000ms'])
})

test('a hit whose server has dropped the model meanwhile loads it again', async () => {
  const { worker, server } = await startCacheWorker({ warmupRuns: 0, watchInterval: '1h' })
  const preload = async () =>
    (await worker.submit('model_cache', { model_id: 'gemma:2b', keep_alive: '10m' })).result()
  await preload()
  server.loaded.clear()
  expect(await preload()).toMatchObject({ outcome: 'loaded', budget: { used: 2 * GIB } })
  expect([...server.loaded]).toEqual(['gemma:2b'])
})

test('a model whose keep_alive is over on the server was idle, one that goes before was lost', async () => {
  const { worker, server, lines } = await startCacheWorker({ warmupRuns: 0 })
  const preload = async (model_id: string, keep_alive: '1s' | '10m') =>
    (await worker.submit('model_cache', { model_id, keep_alive })).result()
  const inMemory = async () =>
    (await worker.query('model_cache_status', {})).models.map((one) => one.model_id)
  const told = (event: string) => lines.filter((line) => line.includes(`"event":"${event}"`))
  await preload('gemma:2b', '1s')
  // the server does it, one second after the load
  await expect.poll(inMemory, { timeout: 10_000 }).toEqual([])
  expect(told('model_gone')).toEqual([])
  expect(told('model_evicted')).toEqual([expect.stringContaining('"reason":"idle"')])
  await preload('qwen3:4b', '10m')
  server.loaded.delete('qwen3:4b')
  await expect.poll(inMemory, { timeout: 10_000 }).toEqual([])
  expect(told('model_gone')).toEqual([expect.stringContaining('"level":"warn"')])
  const metrics = await worker.registry.metrics()
  expect(metrics).toContain('mcp_worker_model_cache_evictions_total{engine="ollama",reason="idle"} 1')
  expect(metrics).toContain('mcp_worker_model_cache_gone_total{engine="ollama"} 1')
})

test('the time that another program sets for a model is known from the server', async () => {
  const { worker, server, lines } = await startCacheWorker({ warmupRuns: 0 })
  await (await worker.submit('model_cache', { model_id: 'gemma:2b', keep_alive: '10m' })).result()
  const body = JSON.stringify({ model: 'gemma:2b', keep_alive: '3s' })
  await fetch(`${server.url}/api/generate`, { method: 'POST', body })
  await expect
    .poll(async () => (await worker.query('model_cache_status', {})).models, { timeout: 10_000 })
    .toEqual([])
  expect(lines.filter((line) => line.includes('model_gone'))).toEqual([])
})
