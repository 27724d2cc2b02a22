import { expect, test } from 'vitest'
import { startInlineWorker } from './inline-worker.js'

test('texts are indexed and found by meaning with no options and no network', async () => {
  const worker = await startInlineWorker()
  const documents = [
    'The cat sleeps on the warm windowsill all afternoon.',
    'Interest rates were raised by the central bank to fight inflation.',
    { id: 'bread', text: 'Knead the dough and let the bread rise.', metadata: { lang: 'en' } },
  ]
  const task = await worker.submit('vector_index', { documents })
  expect(await task.result()).toMatchObject({ inserted: 3, failed: [], collection: { count: 3, dim: 384 } })
  const { hits } = await worker.query('vector_search', { text: 'baking a loaf of bread', k: 1 })
  expect(hits).toMatchObject([{ id: 'bread', metadata: { lang: 'en' } }])
  const again = await worker.submit('vector_index', { documents })
  expect(await again.result()).toMatchObject({ unchanged: 3, embed_seconds: 0 })
  expect(await worker.query('vector_collections', {})).toMatchObject({
    collections: [{ name: 'documents', count: 3, chunks: 3, chunk: { size: 1200, overlap: 150 } }],
  })
})

test('a bad payload is refused at the submit with the path of the fault', async () => {
  const worker = await startInlineWorker()
  const submit = worker.submit('vector_index', { documents: ['a'], batch_size: 0 })
  await expect(submit).rejects.toMatchObject({
    code: 'invalid_payload',
    faults: [{ path: 'payload.batch_size' }],
  })
})

test('a permanent fault fails the task at its first attempt, a query says what is wrong', async () => {
  const worker = await startInlineWorker()
  const task = await worker.submit('vector_index', { documents: [{ id: 'a', vector: [0, 0] }] })
  await expect(task.result()).rejects.toThrow(
    'document "a" (documents[0]): its vector is zero in every component',
  )
  expect(await worker.get(task.id)).toMatchObject({
    status: 'failed',
    attempts: 1,
    failureReason: 'non_retryable',
    error: { code: 'ZERO_VECTOR' },
  })
  const search = worker.query('vector_search', { text: 'a', collection: 'none' })
  await expect(search).rejects.toThrow('there is no collection "none"')
})

test('the metrics count documents by outcome and time embedding, writing and searching', async () => {
  const worker = await startInlineWorker()
  const task = await worker.submit('vector_index', {
    documents: ['one', 'two', ' '],
    on_error: 'continue',
  })
  await task.result()
  await worker.query('vector_search', { text: 'one' })
  const text = await worker.registry.metrics()
  expect(text).toContain('mcp_worker_vector_index_documents_total{outcome="inserted"} 2')
  expect(text).toContain('mcp_worker_vector_index_documents_total{outcome="failed"} 1')
  for (const part of ['embed', 'write', 'search']) {
    expect(text).toContain(`mcp_worker_vector_index_${part}_seconds_count 1`)
  }
})

test('the health check writes to the store', async () => {
  const worker = await startInlineWorker()
  expect(await worker.checkHealth()).toMatchObject({ ok: true })
})
