import modelCache from '@mcp-worker/handler-model-cache'
import vectorIndex from '@mcp-worker/handler-vector-index'
import { createLogger, createWorker, memoryQueue, type Plugin } from '@mcp-worker/runtime'
import { expect, onTestFinished, test } from 'vitest'
import { temporaryFolder } from './running-service.js'

async function startWorker<const Ps extends readonly Plugin[]>(plugins: Ps) {
  const worker = createWorker({
    plugins,
    queue: memoryQueue(),
    dataDir: await temporaryFolder(),
    logger: createLogger({ destination: { write: () => {} } }),
  })
  await worker.start()
  onTestFinished(async () => void (await worker.stop()))
  const uses = async (source: string) => {
    const text = await worker.registry.metrics()
    return (
      new RegExp(`vector_index_embedder_uses_total\\{source="${source}"\\} (\\d+)`).exec(text)?.[1] ?? '0'
    )
  }
  return { worker, uses }
}

const DOCUMENTS = { documents: ['Knead the dough and let the bread rise.'] }

test('a preload by model_cache is felt by the next vector_index: it loads nothing', async () => {
  const { worker, uses } = await startWorker([vectorIndex(), modelCache()])
  const preload = await worker.submit('model_cache', { model_id: 'builtin' })
  expect(await preload.result()).toMatchObject({ outcome: 'loaded', engine: 'embedder' })
  const index = await worker.submit('vector_index', DOCUMENTS)
  expect(await index.result()).toMatchObject({ inserted: 1 })
  expect([await uses('warm'), await uses('loaded'), await uses('own')]).toEqual(['1', '0', '0'])
  const { hits } = await worker.query('vector_search', { text: 'baking a loaf', k: 1 })
  expect(hits).toHaveLength(1)
})

test('without a preload the first vector_index loads the embedder into the cache, and the next finds it there', async () => {
  const { worker, uses } = await startWorker([vectorIndex(), modelCache()])
  await (await worker.submit('vector_index', DOCUMENTS)).result()
  expect(await uses('loaded')).toBe('1')
  const status = await worker.query('model_cache_status', {})
  expect(status.models).toMatchObject([{ model_id: 'builtin', engine: 'embedder', state: 'ready', uses: 0 }])
  await (await worker.submit('vector_index', { documents: ['Another text.'] })).result()
  expect(await uses('warm')).toBe('1')
})

test('the vectors of the shared embedder and of the own one belong to the same collection', async () => {
  const { worker } = await startWorker([vectorIndex(), modelCache()])
  const shared = await (await worker.submit('vector_index', DOCUMENTS)).result()
  const alone = await startWorker([vectorIndex()])
  const own = await (await alone.worker.submit('vector_index', DOCUMENTS)).result()
  expect(shared.collection).toEqual(own.collection)
})
