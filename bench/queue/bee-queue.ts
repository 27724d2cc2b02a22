import BeeQueue from 'bee-queue'
import { CONCURRENCY, createTally, type Engine, type Payload, payloadOf } from './engine.ts'
import { versionOf } from './version.ts'

export function beeQueueEngine(): Engine {
  const tally = createTally()
  const queues: BeeQueue<Payload>[] = []
  let producer: BeeQueue<Payload> | null = null
  return {
    version: versionOf('bee-queue'),
    settled: (count) => tally.settled(count),
    async start({ role, url, handled }) {
      const lean = {
        redis: { url },
        getEvents: false,
        sendEvents: false,
        storeJobs: false,
        activateDelayedJobs: false,
        removeOnSuccess: true,
        removeOnFailure: true,
      }
      const open = async (isWorker: boolean) => {
        const queue = new BeeQueue<Payload>('bench', { ...lean, isWorker })
        queues.push(queue)
        return queue.ready()
      }
      producer = await open(false)
      if (role === 'submit') return
      const worker = await open(true)
      // emitted locally after the job was finished in Redis
      worker.on('succeeded', () => tally.settle())
      worker.process(CONCURRENCY, async (job: BeeQueue.Job<Payload>) => handled(job.data.index))
    },
    async submit(index) {
      await producer?.createJob(payloadOf(index)).save()
    },
    async stop() {
      await Promise.all(queues.map((queue) => queue.close()))
    },
  }
}
