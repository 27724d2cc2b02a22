import { expect, test } from 'vitest'
import { makeCacheWorker } from './cache-worker.js'

test('a replica is not ready before its warm list is loaded', async () => {
  const { worker, server } = await makeCacheWorker({ warm: ['llama3-8b', 'qwen3-4b'] })
  server.faults.push({ path: '/api/generate', kind: 'hold' })
  const started = worker.start()
  await server.held(1)
  expect(worker.notReady()).toEqual(['starting'])
  server.release()
  await started
  expect(worker.notReady()).not.toContain('starting')
  expect([...server.loaded].toSorted()).toEqual(['llama3-8b:latest', 'qwen3:4b'])
})

test('a warm list that cannot be loaded ends the start and names every model that is missing', async () => {
  const { worker } = await makeCacheWorker({ warm: ['no-such', 'llama3-8b', 'nor-this'] })
  const started = worker.start()
  await expect(started).rejects.toMatchObject({ code: 'handshake_failed' })
  await expect(started).rejects.toThrow(/no-such: expected[\s\S]*nor-this: expected/)
  await expect(started).rejects.not.toThrow('llama3-8b:')
})

test('a warm list whose server stays away ends the start when warmTimeout is over', async () => {
  const { worker, server } = await makeCacheWorker({ warm: ['qwen3:4b'], warmTimeout: '100ms' })
  await server.stop()
  await expect(worker.start()).rejects.toThrow('qwen3:4b: expected an answer')
})

test('a server that is not there yet when the worker starts is asked again', async () => {
  const { worker, server } = await makeCacheWorker({ warm: ['qwen3:4b'] })
  server.faults.push({ path: '/api/tags', kind: 'status', status: 503, error: 'starting' })
  await worker.start()
  expect([...server.loaded]).toEqual(['qwen3:4b'])
})

test('a warm model is kept whatever the idle time of others is', async () => {
  const { worker, server } = await makeCacheWorker({
    warm: ['qwen3:4b', 'chat'],
    warmupRuns: 0,
    keepAlive: '10m',
    models: { chat: { name: 'gemma:2b', keepAlive: 0 } },
  })
  await worker.start()
  const loads = server.received.filter(({ path }) => path === '/api/generate')
  expect(new Map(loads.map(({ body }) => [body['model'], body['keep_alive']]))).toEqual(
    new Map([
      ['gemma:2b', -1],
      ['qwen3:4b', -1],
    ]),
  )
  expect((await worker.query('model_cache_status', {})).models).toMatchObject([
    { state: 'ready' },
    { state: 'ready' },
  ])
})

test('a warm model that was evicted is not ill for a spelling of its name under which nothing was ever found', async () => {
  const { worker } = await makeCacheWorker({ warm: ['qwen3-4b'], reconcileInterval: '1h' })
  await worker.start()
  const evict = await worker.submit('model_cache', { model_id: 'qwen3-4b', operation: 'evict' })
  expect(await evict.result()).toMatchObject({ outcome: 'evicted' })
  expect(await worker.checkHealth()).toMatchObject({ ok: true })
})
