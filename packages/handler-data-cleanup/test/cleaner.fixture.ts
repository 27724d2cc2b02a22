/**
 * A worker process of the built packages, with the embedded queue: submits a task, or takes up what is in the queue, and says on standard output what
 * becomes of it, one JSON line each: `{ ready }`, `{ progress }`, `{ result }`. Argument: JSON of `{ dataDir, queue, root, id, payload }`; `queue`: the folder of the queue.
 */
import { writeSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import dataCleanup from '@mcp-worker/handler-data-cleanup'
import { createLogger, createWorker } from '@mcp-worker/runtime'
import { sqliteQueue } from '@mcp-worker/runtime/sqlite'

const { dataDir, queue, root, id, payload } = JSON.parse(process.argv[2] ?? '') as {
  readonly dataDir: string
  readonly queue: string
  readonly root: string
  readonly id: string
  readonly payload: { readonly target: string } | null
}
const say = (line: unknown): void => void writeSync(1, `${JSON.stringify(line)}\n`)

const worker = createWorker({
  plugins: [dataCleanup({ targets: { temp_files: { kind: 'files', root } } })],
  queue: sqliteQueue({ path: join(queue, 'queue.db') }),
  dataDir,
  logger: createLogger({ destination: { write: () => {} } }),
})
await worker.start()
say({ ready: true })
if (payload !== null) await worker.submit('data_cleanup', payload, { id })
for (;;) {
  const task = await worker.get(id)
  if (task?.status === 'succeeded') {
    say({ result: JSON.parse(task.result ?? 'null') as unknown, deliveries: task.deliveries })
    break
  }
  if (task?.status === 'failed') throw new Error(task.error?.message)
  if (task?.progress) say({ progress: task.progress.done })
  await setTimeout(20)
}
await worker.stop()
