import { PgBoss } from 'pg-boss'
import { CONCURRENCY, type Engine, type Payload, payloadOf, until } from './engine.ts'
import { versionOf } from './version.ts'

export function pgBossEngine(): Engine {
  let boss: PgBoss | null = null
  let handledSoFar = 0
  return {
    version: versionOf('pg-boss'),
    async start({ role, url, tuneFor, handled }) {
      // a NOTIFY in each commit costs a third of the rate: only where latency is measured
      const notify = tuneFor === 'latency'
      const lean = { supervise: false, schedule: false }
      boss = new PgBoss({ connectionString: url, max: CONCURRENCY, useListenNotify: notify, ...lean })
      boss.on('error', (error) => console.error(error))
      await boss.start()
      await boss.createQueue('bench', { notify })
      if (role === 'submit') return
      const options = { batchSize: CONCURRENCY, burstWhenBatchFull: true, pollingIntervalSeconds: 0.5 }
      await boss.work<Payload>('bench', options, async (jobs) => {
        for (const job of jobs) handled(job.data.index)
        handledSoFar += jobs.length
      })
    },
    async submit(index) {
      await boss?.send('bench', payloadOf(index))
    },
    // nothing is emitted when a batch was completed
    settled: (count) =>
      until(async () => {
        if (handledSoFar < count) return false
        const open = await boss
          ?.getDb()
          .executeSql("select 1 from pgboss.job where state < 'completed' limit 1")
        return open?.rows.length === 0
      }, 5),
    async stop() {
      await boss?.stop({ graceful: true, timeout: 5000 })
    },
  }
}
