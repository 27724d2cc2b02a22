import vectorIndex, { type QdrantStoreInput } from '@mcp-worker/handler-vector-index'
import { createLogger, createWorker, memoryQueue } from '@mcp-worker/runtime'
import { expect, onTestFinished, test } from 'vitest'
import { tempFolder } from '../temp-folder.js'
import { type LocalServer, startLocalQdrant } from './local-server.js'

/** A worker with the plugin in its threads, and the server that it writes to. */
async function startWorker(options: Partial<QdrantStoreInput> = {}) {
  const server = await startLocalQdrant()
  onTestFinished(() => server.close())
  const worker = createWorker({
    plugins: [vectorIndex({ store: { engine: 'qdrant', url: server.url, ...options } })],
    queue: memoryQueue(),
    dataDir: await tempFolder(),
    logger: createLogger({ destination: { write: () => {} } }),
  })
  await worker.start()
  onTestFinished(async () => void (await worker.stop()))
  return { worker, server }
}

const documents = Array.from({ length: 30 }, (_, i) => ({ id: `d${i}`, text: `The document number ${i}.` }))

function pointsIn(server: LocalServer): number | undefined {
  return server.qdrant.collection('mcp-worker.documents')?.points.size
}

test('a task goes through rate limits, connections dropped mid-batch and 5xx in one attempt', async () => {
  const { worker, server } = await startWorker()
  server.fault({ on: /points\/batch$/, fault: { kind: 'rate_limit', retryAfter: '0.1' }, every: 3 })
  server.fault({ on: /points\/batch$/, fault: { kind: 'drop', after: 2 }, every: 4 })
  server.fault({
    on: /\/facet$/,
    fault: { kind: 'status', status: 500, error: 'Service internal error' },
    every: 5,
  })
  const task = await worker.submit('vector_index', { documents, batch_size: 5 })
  expect(await task.result()).toMatchObject({ inserted: 30, collection: { count: 30 } })
  expect(await worker.get(task.id)).toMatchObject({ attempts: 0, deliveries: 1 })
  const { hits } = await worker.query('vector_search', { text: 'document number 7', k: 30 })
  expect(hits).toHaveLength(30)
})

test('a rate limit longer than the engine waits sends the task back to the queue for so long, and it ends exact', async () => {
  const { worker, server } = await startWorker({ retryForMs: 0 })
  server.fault({ on: /points\/batch$/, fault: { kind: 'rate_limit', retryAfter: '2' } })
  const start = performance.now()
  const task = await worker.submit('vector_index', { documents, batch_size: 10 })
  expect(await task.result()).toMatchObject({ collection: { count: 30 }, failed_count: 0 })
  expect(performance.now() - start).toBeGreaterThanOrEqual(2000)
  expect(await worker.get(task.id)).toMatchObject({ attempts: 1, deliveries: 2 })
  expect(pointsIn(server)).toBe(30)
})

test('a connection dropped mid-batch that the engine does not try again is an attempt of the task, and the next ends exact', async () => {
  const { worker, server } = await startWorker({ retryForMs: 0 })
  server.fault({ on: /points\/batch$/, fault: { kind: 'drop', after: 3 } })
  const task = await worker.submit('vector_index', { documents, batch_size: 10 })
  expect(await task.result()).toMatchObject({ inserted: 27, unchanged: 3, collection: { count: 30 } })
  expect(pointsIn(server)).toBe(30)
})

test('the same task delivered twice at once leaves each document once', async () => {
  const { worker, server } = await startWorker()
  const both = await Promise.all(
    [1, 2].map(() => worker.submit('vector_index', { documents, batch_size: 5 })),
  )
  let inserted = 0
  for (const task of both) inserted += (await task.result()).inserted
  expect(inserted).toBe(30)
  expect(pointsIn(server)).toBe(30)
})

test('a wrong dimension is refused in the engine’s own words, before anything is sent', async () => {
  const { worker } = await startWorker()
  await (await worker.submit('vector_index', { documents: [{ id: 'a', vector: [1, 0, 0] }] })).result()
  const wrong = await worker.submit('vector_index', { documents: [{ id: 'b', vector: [1, 0] }] })
  await expect(wrong.result()).rejects.toMatchObject({ code: 'handler_failed' })
  expect(await worker.get(wrong.id)).toMatchObject({ status: 'failed', error: { code: 'DIM_MISMATCH' } })
})

test('reindex, sync, verify, optimize and drop run on Qdrant', async () => {
  const { worker, server } = await startWorker()
  const run = async (payload: Parameters<typeof worker.submit<'vector_index'>>[1]) =>
    (await worker.submit('vector_index', payload)).result()
  await run({ documents })
  expect(await run({ operation: 'reindex', chunk: { size: 200, overlap: 0 } })).toMatchObject({
    collection: { count: 30, generation: 2 },
  })
  expect(await run({ operation: 'sync', documents: documents.slice(0, 10) })).toMatchObject({
    deleted: 20,
    unchanged: 10,
  })
  expect(await run({ operation: 'verify' })).toMatchObject({ verified: { problem_count: 0 } })
  await run({ operation: 'optimize' })
  expect(server.qdrant.names()).toHaveLength(2)
  await run({ operation: 'drop', confirm: 'documents' })
  expect(await worker.query('vector_collections', {})).toEqual({ collections: [] })
})
