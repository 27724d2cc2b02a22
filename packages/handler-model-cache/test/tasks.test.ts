import { expect, test } from 'vitest'
import { startCacheWorker } from './cache-worker.js'

const SEED = { model_id: 'llama3-8b' } as const
const HELD = { path: '/api/generate', kind: 'hold' } as const

test('100 tasks at once for one model are 1 load on the server', async () => {
  const { worker, server } = await startCacheWorker({ warmupRuns: 0 })
  const tasks = await Promise.all(Array.from({ length: 100 }, () => worker.submit('model_cache', SEED)))
  const outcomes = (await Promise.all(tasks.map((task) => task.result()))).map(({ outcome }) => outcome)
  const count = (outcome: string) => outcomes.filter((one) => one === outcome).length
  expect(server.received.filter(({ path }) => path === '/api/generate')).toHaveLength(1)
  expect(count('loaded')).toBe(1)
  expect(count('joined') + count('hit')).toBe(99)
})

test('of 100 tasks 99 are cancelled: the load goes on for the last', async () => {
  const { worker, server } = await startCacheWorker({ warmupRuns: 0 })
  server.faults.push(HELD)
  const tasks = await Promise.all(Array.from({ length: 100 }, () => worker.submit('model_cache', SEED)))
  await server.held(1)
  const [last, ...others] = tasks
  const ends = others.map((task) => task.result().catch((error: Error) => error))
  await Promise.all(others.map(({ id }) => worker.cancel(id)))
  for (const end of await Promise.all(ends)) expect(end).toMatchObject({ code: 'cancelled' })
  server.release()
  expect(await last?.result()).toMatchObject({ replicas: [{ state: 'ready' }] })
  expect(server.received.filter(({ path }) => path === '/api/generate')).toHaveLength(1)
})

test('all 100 are cancelled: the load is stopped and its reservation is free', async () => {
  const { worker, server } = await startCacheWorker({ endpointMemoryLimitMb: 8192 })
  server.faults.push(HELD)
  const tasks = await Promise.all(Array.from({ length: 100 }, () => worker.submit('model_cache', SEED)))
  await server.held(1)
  const reserved = async () =>
    (await worker.query('model_cache_status', {})).budgets.map((budget) => budget.reserved)
  expect(Math.max(...(await reserved()))).toBeGreaterThan(0)
  const ends = tasks.map((task) => task.result().catch((error: Error) => error))
  await Promise.all(tasks.map(({ id }) => worker.cancel(id)))
  await server.hungUp
  await Promise.all(ends)
  await expect.poll(reserved).toEqual([0, 0])
  expect([...server.loaded]).toEqual([])
})

test('a server that goes away under its model: the bytes are free, and the next task is retryable', async () => {
  const { worker, server } = await startCacheWorker()
  await (await worker.submit('model_cache', SEED)).result()
  await server.stop()
  const used = async () => (await worker.query('model_cache_status', {})).budgets.map((one) => one.used)
  await expect.poll(used).toEqual([0, 0])
  const task = await worker.submit('model_cache', SEED, { maxAttempts: 1 })
  await task.result().catch(() => {})
  expect(await worker.get(task.id)).toMatchObject({ error: { code: 'ENDPOINT_UNREACHABLE' } })
  expect(await worker.registry.metrics()).toContain('mcp_worker_model_cache_gone_total{engine="ollama"} 1')
})

test('health tells a load that stands still from an idle worker', async () => {
  const { worker, server } = await startCacheWorker({ stallAfter: '50ms' })
  expect(await worker.checkHealth()).toMatchObject({ ok: true })
  server.faults.push(HELD)
  const task = await worker.submit('model_cache', SEED)
  await server.held(1)
  const fault = async () => {
    const { checks } = await worker.checkHealth()
    return checks.find(({ ok }) => !ok)?.detail['error']
  }
  await expect.poll(fault).toMatch(/^loading of llama3-8b by ollama: no sign of life/)
  server.release()
  await task.result()
  expect(await worker.checkHealth()).toMatchObject({ ok: true })
  expect(await worker.registry.metrics()).toContain('mcp_worker_model_cache_stalled 0')
})

test('a server that is full: the cheapest idle model goes, and the load is tried once more', async () => {
  const { worker, server } = await startCacheWorker({ minResidency: '0s' })
  await (await worker.submit('model_cache', { model_id: 'gemma:2b' })).result()
  server.faults.push({
    path: '/api/generate',
    kind: 'status',
    status: 500,
    error: 'model requires more system memory (3.0 GiB) than is available (2.1 GiB)',
  })
  const task = await worker.submit('model_cache', SEED)
  expect(await task.result()).toMatchObject({
    outcome: 'loaded',
    evicted: [{ model: 'gemma:2b', reason: 'memory' }],
  })
  expect([...server.loaded]).toEqual(['llama3-8b:latest'])
})

test('engine ollama: missing, corrupt, over budget, another digest are distinct permanent errors, and nothing is evicted for them', async () => {
  const { worker, server } = await startCacheWorker({ endpointMemoryLimitMb: 5 * 1024, warmupRuns: 0 })
  await (await worker.submit('model_cache', SEED)).result()
  const codeOf = async (payload: { model_id: string; digest?: string; memory_bytes?: number }) => {
    const task = await worker.submit('model_cache', payload)
    await task.result().catch(() => {})
    const { error, failureReason, attempts } = (await worker.get(task.id)) ?? {}
    expect([failureReason, attempts]).toEqual(['non_retryable', 1])
    return error?.code
  }
  expect(await codeOf({ model_id: 'none:1b' })).toBe('MODEL_NOT_FOUND')
  expect(await codeOf({ model_id: 'qwen3:4b', memory_bytes: 6 * 2 ** 30 })).toBe('MODEL_OVER_BUDGET')
  expect(await codeOf({ model_id: 'qwen3:4b', digest: `sha256:${'0'.repeat(64)}` })).toBe('DIGEST_MISMATCH')
  const error = 'error loading model: invalid magic'
  server.faults.push({ path: '/api/generate', kind: 'status', status: 500, error })
  expect(await codeOf({ model_id: 'qwen3:4b' })).toBe('MODEL_CORRUPT')
  expect([...server.loaded]).toEqual(['llama3-8b:latest'])
  expect(await worker.query('model_cache_status', {})).toMatchObject({ last_eviction: null })
})
