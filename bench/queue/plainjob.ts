import { join } from 'node:path'
import Database from 'better-sqlite3'
import { better, defineQueue, defineWorker, type Queue, type Worker } from 'plainjob'
import { createTally, type Engine, type Payload, payloadOf } from './engine.ts'
import { versionOf } from './version.ts'

/** Its worker runs one task after the other and, while there are any, never lets the event loop turn. */
export function plainjobEngine(): Engine {
  const tally = createTally()
  const silent = { error: console.error, warn() {}, info() {}, debug() {} }
  let queue: Queue | null = null
  let worker: Worker | null = null
  let ended: Promise<void> | null = null
  return {
    version: `${versionOf('plainjob')} on better-sqlite3 ${versionOf('better-sqlite3')}`,
    settled: (count) => tally.settled(count),
    async start({ role, folder, handled }) {
      const connection = better(new Database(join(folder, 'plainjob.db')))
      queue = defineQueue({ connection, logger: silent })
      if (role === 'submit') return
      worker = defineWorker('noop', (job) => handled((JSON.parse(job.data) as Payload).index), {
        queue,
        logger: silent,
        pollIntervall: 1,
        // called after the row is marked as done
        onCompleted: () => tally.settle(),
      })
      ended = worker.start()
    },
    async submit(index) {
      queue?.add('noop', payloadOf(index))
    },
    async stop() {
      await worker?.stop()
      await ended
      queue?.close()
    },
  }
}
