import { join } from 'node:path'
import {
  createLogger,
  createWorker,
  definePlugin,
  logDestination,
  type QueueLimits,
  type WorkerFor,
} from '@mcp-worker/runtime'
import { sqliteQueue } from '@mcp-worker/runtime/sqlite'
import { z } from 'zod'
import { CONCURRENCY, type Engine, type EngineUse, payloadOf, type Transactions, until } from './engine.ts'
import { versionOf } from './version.ts'

let onHandled: (index: number) => void = () => {}

const bench = definePlugin({
  contract: 1,
  name: '@mcp-worker/bench',
  version: '0.0.0',
  module: import.meta.url,
  options: z.strictObject({}),
  handlers: (handler) => [
    handler('noop', {
      payload: z.strictObject({ index: z.int().min(0), note: z.string().max(200) }),
      result: z.strictObject({}),
      run: ({ payload }) => {
        onHandled(payload.index)
        return {}
      },
    }),
  ],
})

export type OurWorker = WorkerFor<readonly [ReturnType<typeof bench>]>

/** As a service has it: every check on, a log line per task, written to a file. */
export function ourWorker(
  use: EngineUse,
  durability: 'power' | 'process',
  limits: Partial<QueueLimits> = {},
): OurWorker {
  onHandled = use.handled
  const destination = logDestination(join(use.folder, `${process.pid}.log`))
  return createWorker({
    plugins: [bench()],
    queue: sqliteQueue({ path: join(use.folder, 'tasks.db'), durability }),
    role: use.role === 'submit' ? 'api' : 'all',
    concurrency: CONCURRENCY,
    limits,
    dataDir: use.folder,
    logger: createLogger({ destination }),
  })
}

/** Deliveries that ended well in this process, counted after their settle. */
export async function succeededOf(worker: OurWorker): Promise<number> {
  const metric = await worker.registry.getSingleMetric('mcp_worker_tasks_processed_total')?.get()
  const values = metric?.values.filter(({ labels }) => labels['status'] === 'success') ?? []
  return values.reduce((sum, { value }) => sum + value, 0)
}

async function transactionsOf(worker: OurWorker): Promise<Transactions> {
  const metric = await worker.registry.getSingleMetric('mcp_worker_store_commit_seconds')?.get()
  const value = (suffix: string) =>
    metric?.values.find((each) => 'metricName' in each && String(each.metricName).endsWith(suffix))?.value ??
    0
  return { count: value('_count'), ms: value('_sum') * 1000 }
}

export function ourEngine(durability: 'power' | 'process'): Engine {
  let worker: OurWorker | null = null
  let role: EngineUse['role'] = 'both'
  return {
    version: versionOf('@mcp-worker/runtime'),
    async start(use) {
      role = use.role
      worker = ourWorker(use, durability)
      await worker.start()
    },
    async submit(index) {
      await worker?.submit('noop', payloadOf(index))
    },
    transactions: async () => (worker ? transactionsOf(worker) : { count: 0, ms: 0 }),
    settled: (count) => until(async () => worker !== null && (await succeededOf(worker)) >= count, 2),
    async stop() {
      if (worker && role === 'both') await checkAllSucceeded(worker)
      await worker?.stop({ timeoutMs: 10_000 })
    },
  }
}

async function checkAllSucceeded(worker: OurWorker): Promise<void> {
  const { byType } = await worker.counts()
  const others = Object.keys(byType['noop'] ?? {}).filter((status) => status !== 'succeeded')
  if (others.length > 0)
    throw new Error(`expected every task to have succeeded, some are ${others.join(', ')}`)
}
