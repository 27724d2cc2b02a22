import { subscribe } from 'node:diagnostics_channel'
import type { Worker } from 'node:worker_threads'

const running = new Set<Worker>()

subscribe('worker_threads', (message) => {
  const { worker } = message as { worker: Worker }
  running.add(worker)
  worker.once('exit', () => running.delete(worker))
})

/** How many threads of the engines run in this process: all that were started since this module was loaded. */
export function engineThreads(): number {
  return running.size
}
