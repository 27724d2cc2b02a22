import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import vectorIndex from '@mcp-worker/handler-vector-index'
import { createLogger, createWorker, memoryQueue } from '@mcp-worker/runtime'
import { expect, onTestFinished, test } from 'vitest'
import { tempFolder } from './temp-folder.js'

/** The plugin where it lives by default: in threads of its own. */
async function startWorker() {
  const folder = await tempFolder()
  const worker = createWorker({
    plugins: [vectorIndex({ documentsRoot: folder })],
    queue: memoryQueue(),
    dataDir: folder,
    logger: createLogger({ destination: { write: () => {} } }),
  })
  await worker.start()
  onTestFinished(async () => void (await worker.stop()))
  return { worker, folder }
}

test('documents are indexed and found in a thread', async () => {
  const { worker } = await startWorker()
  const documents = ['A cat sleeps in the sun.', 'The central bank raised its interest rates.']
  const task = await worker.submit('vector_index', { documents })
  expect(await task.result()).toMatchObject({ inserted: 2, collection: { count: 2 } })
  const { hits } = await worker.query('vector_search', { text: 'a sleeping cat', k: 1 })
  expect(hits[0]?.text).toBe(documents[0])
})

test('a cancel stops a task between two batches; what was committed stays, and the rest can be indexed later', async () => {
  const { worker, folder } = await startWorker()
  const count = 20_000
  const lines = Array.from({ length: count }, (_, i) =>
    JSON.stringify({ id: `d${i}`, text: `document number ${i}` }),
  )
  await writeFile(join(folder, 'docs.jsonl'), lines.join('\n'))
  const payload = { documents_ref: 'docs.jsonl', batch_size: 50 }
  const task = await worker.submit('vector_index', payload)
  while (((await worker.get(task.id))?.progress?.done ?? 0) === 0) await setImmediate()
  await worker.cancel(task.id)
  await expect(task.result()).rejects.toMatchObject({ code: 'cancelled' })
  const { collections } = await worker.query('vector_collections', {})
  expect(collections[0]?.count).toBeGreaterThan(0)
  expect(collections[0]?.count).toBeLessThan(count)
  expect((collections[0]?.count ?? 1) % 50).toBe(0)
})
