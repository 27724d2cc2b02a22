import { Queue, Worker } from 'bullmq'
import { CONCURRENCY, createTally, type Engine, type Payload, payloadOf } from './engine.ts'
import { versionOf } from './version.ts'

export function bullmqEngine(): Engine {
  const tally = createTally()
  let queue: Queue<Payload> | null = null
  let worker: Worker<Payload> | null = null
  return {
    version: versionOf('bullmq'),
    settled: (count) => tally.settled(count),
    async start({ role, url, handled }) {
      const connection = { url, maxRetriesPerRequest: null }
      queue = new Queue('bench', {
        connection,
        defaultJobOptions: { removeOnComplete: true, removeOnFail: true },
      })
      await queue.waitUntilReady()
      if (role === 'submit') return
      worker = new Worker('bench', async (job) => handled(job.data.index), {
        connection,
        concurrency: CONCURRENCY,
      })
      // emitted after the script that finished the job
      worker.on('completed', () => tally.settle())
      worker.on('error', (error) => console.error(error))
      await worker.waitUntilReady()
    },
    async submit(index) {
      await queue?.add('noop', payloadOf(index))
    },
    async stop() {
      await worker?.close()
      await queue?.close()
    },
  }
}
