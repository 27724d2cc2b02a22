import modelCache, { type ModelCacheResult } from '@mcp-worker/handler-model-cache'
import { createLogger, createWorker } from '@mcp-worker/runtime'
import { sqliteQueue } from '@mcp-worker/runtime/sqlite'
import { join } from 'node:path'
import { percentile } from '../queue/machine.ts'

export interface Lag {
  readonly seconds: number
  /** How late the main loop was, in milliseconds. */
  readonly lagMaxMs: number
  readonly lagP99Ms: number
}

export interface TaskLoad extends Lag {
  /** 1: the lease held. */
  readonly deliveries: number
  readonly leaseMs: number
  readonly measuredMb: number | null
}

export interface Joins {
  readonly tasks: number
  readonly outcomes: Readonly<Record<string, number>>
  readonly loads: number
  readonly seconds: number
}

const LEASE_MS = 3000

const EVERY_MS = 2

/** Runs `work` and tells how late a timer of the main loop was meanwhile. (monitorEventLoopDelay loses the first sample after a reset.) */
async function timed<T>(work: () => Promise<T>): Promise<{ readonly value: T; readonly lag: Lag }> {
  const late: number[] = []
  let lastAt = performance.now()
  const timer = setInterval(() => {
    const now = performance.now()
    late.push(Math.max(0, now - lastAt - EVERY_MS))
    lastAt = now
  }, EVERY_MS)
  const startedAt = performance.now()
  const value = await work()
  const seconds = (performance.now() - startedAt) / 1000
  // what blocked the loop at the very end is seen in its next turn
  await new Promise((resolve) => setTimeout(resolve, 20))
  clearInterval(timer)
  return { value, lag: { seconds, lagMaxMs: Math.max(...late), lagP99Ms: percentile(late, 0.99) } }
}

/** As a program does it that follows the library's examples: the promise of `create` is awaited in the main loop. */
export async function loadInMainLoop(root: string, modelId: string): Promise<Lag> {
  const { InferenceSession } = await import('onnxruntime-node')
  const { lag, value } = await timed(() => InferenceSession.create(join(root, modelId)))
  await value.release()
  return lag
}

/** One `model_cache` task with a lease of 3 s on the embedded queue. */
export async function loadByTask(root: string, modelId: string): Promise<TaskLoad> {
  return withWorker(root, async (worker) => {
    const { value: task, lag } = await timed(async () => {
      const submitted = await worker.submit('model_cache', { model_id: modelId })
      const result: ModelCacheResult = await submitted.result()
      return { id: submitted.id, result }
    })
    const { deliveries = 0 } = (await worker.get(task.id)) ?? {}
    const measured = task.result.bytes?.measured ?? null
    const measuredMb = measured === null ? null : Math.round(measured / 2 ** 20)
    return { ...lag, deliveries, leaseMs: LEASE_MS, measuredMb }
  })
}

/** That many tasks at once for one model. */
export async function joinLoads(root: string, modelId: string, tasks: number): Promise<Joins> {
  return withWorker(root, async (worker) => {
    const { value: outcomes, lag } = await timed(async () => {
      const submitted = await Promise.all(
        Array.from({ length: tasks }, () => worker.submit('model_cache', { model_id: modelId })),
      )
      return Promise.all(submitted.map(async (task) => (await task.result()).outcome))
    })
    const text = await worker.registry.metrics()
    const loads = Number(/model_cache_loads_total\{[^}]*outcome="loaded"\} (\d+)/.exec(text)?.[1] ?? 0)
    return { tasks, outcomes: countEach(outcomes), loads, seconds: lag.seconds }
  })
}

function countEach(values: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const value of values) counts[value] = (counts[value] ?? 0) + 1
  return counts
}

type CacheWorker = ReturnType<typeof makeWorker>

function makeWorker(root: string) {
  return createWorker({
    plugins: [modelCache({ modelsRoot: root })],
    queue: sqliteQueue({ path: join(root, 'queue.db') }),
    dataDir: root,
    concurrency: 100,
    limits: { leaseMs: LEASE_MS },
    logger: createLogger({ destination: { write: () => {} } }),
  })
}

async function withWorker<T>(root: string, work: (worker: CacheWorker) => Promise<T>): Promise<T> {
  const worker = makeWorker(root)
  await worker.start()
  try {
    return await work(worker)
  } finally {
    await worker.stop()
  }
}
