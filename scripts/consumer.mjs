// What a stranger does with the published packages: a durable worker, documents in, found by meaning.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import vectorIndex from '@mcp-worker/handler-vector-index'
import { createLogger, createWorker } from '@mcp-worker/runtime'
import { sqliteQueue } from '@mcp-worker/runtime/sqlite'

const dataDir = mkdtempSync(join(tmpdir(), 'consumer-'))
const worker = createWorker({
  plugins: [vectorIndex()],
  queue: sqliteQueue({ path: join(dataDir, 'queue.db') }),
  dataDir,
  logger: createLogger({ level: 'warn' }),
})
await worker.start()
const task = await worker.submit('vector_index', {
  documents: ['Cats sleep most of the day.', 'Share prices fell sharply on Monday.'],
})
const result = await task.result()
const { hits } = await worker.query('vector_search', { text: 'the stock market went down', k: 1 })
await worker.stop()
rmSync(dataDir, { recursive: true })
if (result.inserted !== 2 || !hits[0]?.text.startsWith('Share prices')) {
  throw new Error(`expected 2 documents and the one on share prices, got ${JSON.stringify({ result, hits })}`)
}
console.log('consumer ok on', process.version)
