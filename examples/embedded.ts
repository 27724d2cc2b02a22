/** The runtime inside a service of your own: `node examples/embedded.ts`. */
import { createWorker } from '@mcp-worker/runtime'
import { sqliteQueue } from '@mcp-worker/runtime/sqlite'
import wordCount from './word-count.ts'

const worker = createWorker({
  plugins: [wordCount({ minLength: 3 })],
  queue: sqliteQueue({ path: process.env['QUEUE_FILE'] ?? './data/embedded.db' }),
})
await worker.start()
const task = await worker.submit('word_count', { texts: ['durable by default', 'a joy to write against'] })
const { words } = await task.result()
console.error(`${task.id}: ${words} words of three letters or more`)
await worker.stop()
