import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { join } from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import vectorIndex from '@mcp-worker/handler-vector-index'
import { createLogger, createWorker, logDestination, memoryQueue } from '@mcp-worker/runtime'
import { documentCharacters, readPages } from '../../packages/embedder/scripts/quality-sets.ts'
import { versionOf } from '../queue/version.ts'
import { maxRssMb, measured } from './measure.ts'
import { idOf, makeVectors, rowOf } from './vectors.ts'

export interface TaskOrder {
  readonly kind: 'task'
  readonly engine: string
  /** What the documents of the file hold. */
  readonly content: 'texts' | 'vectors'
  readonly documents: number
  /** Of ready vectors. */
  readonly dimension: number
  readonly seed: number
}

export interface TaskAnswer {
  readonly version: string
  readonly documentsPerSecond: number
  readonly documentsPerCpuSecond: number
  /** The same file once more: nothing is embedded and nothing written. */
  readonly unchangedPerCpuSecond: number
  readonly loopLagP99Ms: number
  readonly maxRssMb: number
}

const WARM_DOCUMENTS = 1000
const LAG_RESOLUTION_MS = 5

/**
 * One `vector_index` task with `documents_ref`, through a worker, in its thread, after a smaller one that warms it up; the CPU time is that of the
 * whole process.
 */
export async function measureTask(order: TaskOrder, folder: string): Promise<TaskAnswer> {
  await writeLines(join(folder, 'warm.jsonl'), linesOf({ ...order, documents: WARM_DOCUMENTS }))
  await writeLines(join(folder, 'all.jsonl'), linesOf(order))
  const worker = createWorker({
    plugins: [vectorIndex({ documentsRoot: folder })],
    queue: memoryQueue(),
    dataDir: folder,
    logger: createLogger({ destination: logDestination(join(folder, 'log')) }),
  })
  await worker.start()
  const index = async (collection: string) => {
    const task = await worker.submit('vector_index', { collection, documents_ref: `${collection}.jsonl` })
    return task.result()
  }
  expectCount((await index('warm')).inserted, WARM_DOCUMENTS)
  const lag = monitorEventLoopDelay({ resolution: LAG_RESOLUTION_MS })
  lag.enable()
  const first = await measured(async () => expectCount((await index('all')).inserted, order.documents))
  lag.disable()
  const again = await measured(async () => expectCount((await index('all')).unchanged, order.documents))
  await worker.stop()
  const rate = (ms: number) => (order.documents / ms) * 1000
  return {
    version: versionOf('@mcp-worker/handler-vector-index'),
    documentsPerSecond: rate(first.ms),
    documentsPerCpuSecond: rate(first.cpuMs),
    unchangedPerCpuSecond: rate(again.cpuMs),
    loopLagP99Ms: lag.percentile(99) / 1e6 - LAG_RESOLUTION_MS,
    maxRssMb: maxRssMb(),
  }
}

function linesOf(order: TaskOrder): Iterable<string> {
  return order.content === 'texts' ? textLines(order) : vectorLines(order)
}

function expectCount(count: number, expected: number): void {
  if (count !== expected) throw new Error(`expected ${expected} documents, got ${count}`)
}

/** Real text, cut into as many documents as there are; from its beginning again where it ends, at another place. */
function* textLines({ documents }: TaskOrder): Generator<string> {
  const all = readPages()
    .map(({ body }) => body)
    .join('\n')
  for (let row = 0; row < documents; row++) {
    const from = (row * documentCharacters + Math.floor((row * documentCharacters) / all.length)) % all.length
    yield JSON.stringify({ id: idOf(row), text: `${row} ${all.slice(from, from + documentCharacters)}` })
  }
}

/** In blocks, so that the memory of the process is that of the work. */
function* vectorLines({ documents, dimension, seed }: TaskOrder): Generator<string> {
  for (let from = 0; from < documents; from += 1000) {
    const { stored } = makeVectors('isotropic', 1000, 0, seed + from)
    for (let row = 0; row < Math.min(1000, documents - from); row++) {
      const numbers = Array.from(rowOf(stored, row).subarray(0, dimension), (value) => value.toPrecision(7))
      yield `{"id":"${idOf(from + row)}","vector":[${numbers.join(',')}]}`
    }
  }
}

async function writeLines(path: string, lines: Iterable<string>): Promise<void> {
  const file = createWriteStream(path)
  for (const line of lines) if (!file.write(`${line}\n`)) await once(file, 'drain')
  file.end()
  await once(file, 'close')
}
