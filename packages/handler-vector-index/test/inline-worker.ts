import { createLogger, createWorker, memoryQueue } from '@mcp-worker/runtime'
import { onTestFinished } from 'vitest'
import vectorIndex from '../src/index.js'
import { tempFolder } from './temp-folder.js'

/** The plugin as a team uses it, with no options at all, in the worker's own event loop. */
export async function startInlineWorker() {
  const worker = createWorker({
    plugins: [vectorIndex()],
    queue: memoryQueue(),
    dataDir: await tempFolder(),
    hosts: { '@mcp-worker/handler-vector-index': 'inline' },
    logger: createLogger({ destination: { write: () => {} } }),
  })
  await worker.start()
  onTestFinished(async () => void (await worker.stop()))
  return worker
}
