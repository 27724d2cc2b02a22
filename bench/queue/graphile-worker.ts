import { Logger, makeWorkerUtils, run, type Runner, type WorkerUtils } from 'graphile-worker'
import { Pool } from 'pg'
import { CONCURRENCY, type Engine, type Payload, payloadOf, until } from './engine.ts'
import { versionOf } from './version.ts'

/** Connections of each side. More than this were not faster on two cores, and PostgreSQL allows 100 in all by default. */
const POOL = 20

export function graphileEngine(): Engine {
  let pool: Pool | null = null
  let producer: WorkerUtils | null = null
  let runner: Runner | null = null
  let handledSoFar = 0
  return {
    version: versionOf('graphile-worker'),
    async start({ role, url, handled }) {
      const silent = new Logger(() => () => {})
      pool = new Pool({ connectionString: url, max: POOL })
      producer = await makeWorkerUtils({ pgPool: pool, logger: silent })
      await producer.migrate()
      if (role === 'submit') return
      const noop = (payload: unknown) => {
        handledSoFar++
        handled((payload as Payload).index)
      }
      runner = await run({
        taskList: { noop },
        preset: {
          worker: {
            connectionString: url,
            concurrentJobs: CONCURRENCY,
            maxPoolSize: POOL,
            localQueue: { size: 500 },
            completeJobBatchDelay: 0,
            failJobBatchDelay: 0,
            logger: silent,
            crontabFile: '/nonexistent',
          },
        },
      })
    },
    async submit(index) {
      await producer?.addJob('noop', payloadOf(index))
    },
    // completed jobs are deleted, and nothing is emitted after that
    settled: (count) =>
      until(async () => {
        if (handledSoFar < count) return false
        const left = await pool?.query('select 1 from graphile_worker._private_jobs limit 1')
        return left?.rowCount === 0
      }, 5),
    async stop() {
      await runner?.stop()
      await producer?.release()
      await pool?.end()
    },
  }
}
