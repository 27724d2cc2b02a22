import { EventEmitter, once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  createLogger,
  createWorker,
  definePlugin,
  isWorkerError,
  memoryQueue,
  NonRetryableError,
  type WorkerError,
  type WorkerOptions,
} from '@mcp-worker/runtime'
import { sqliteQueue } from '@mcp-worker/runtime/sqlite'
import { afterEach, beforeEach, onTestFinished } from 'vitest'
import { z } from 'zod'

interface Word {
  setup?: () => void
  health?: () => void | Promise<void>
  teardown?: () => void
}

/** Handlers of every kind of end, and a plugin whose health and setup the test decides. */
function acme(word: Word) {
  const events = new EventEmitter()
  const nothing = z.strictObject({})
  const plugin = definePlugin({
    contract: 1,
    name: '@acme/handler-words',
    version: '2.3.4',
    module: import.meta.url,
    options: z.strictObject({}),
    setup: async () => word.setup?.(),
    health: async () => word.health?.(),
    teardown: async () => word.teardown?.(),
    handlers: (handler) => [
      handler('shout', {
        payload: z.strictObject({ word: z.string() }),
        result: z.strictObject({ word: z.string() }),
        run: async ({ payload }) => ({ word: payload.word.toUpperCase() }),
      }),
      handler('refuse', {
        payload: nothing,
        result: nothing,
        run: async () => {
          throw new NonRetryableError('never', { code: 'NO_WORDS' })
        },
      }),
      handler('until_aborted', {
        payload: nothing,
        result: nothing,
        run: async ({ signal }) => {
          events.emit('until_aborted')
          await once(signal, 'abort')
          throw signal.reason
        },
      }),
      handler('deaf', {
        payload: nothing,
        result: nothing,
        run: async () => {
          events.emit('deaf')
          return new Promise<Record<string, never>>(() => {})
        },
      }),
    ],
    queries: (query) => [
      query('length_of', {
        input: z.strictObject({ word: z.string() }),
        output: z.strictObject({ length: z.int() }),
        run: async ({ input }) => ({ length: input.word.length }),
      }),
    ],
  })
  return { plugin: plugin({}), events }
}

interface Making extends Partial<Omit<WorkerOptions<[]>, 'plugins'>> {
  readonly word?: Word
}

/** Real workers with that plugin, in a folder that each test has for itself. To be called at the top of a file. */
export function wordsWorkers() {
  let dataDir = ''
  beforeEach(() => {
    dataDir = mkdtempSync(join(tmpdir(), 'mcp-worker-worker-'))
  })
  afterEach(() => rmSync(dataDir, { recursive: true, force: true }))

  /** What every worker of the test is made with. */
  const surroundings = () => ({
    dataDir,
    logger: createLogger({ destination: { write: () => {} } }),
    abortGrace: 300,
    healthCheckInterval: '1h' as const,
  })
  function made({ word = {}, ...options }: Making = {}) {
    const { plugin, events } = acme(word)
    const worker = createWorker({
      plugins: [plugin],
      queue: memoryQueue(),
      ...surroundings(),
      ...options,
    })
    onTestFinished(async () => void (await worker.stop({ timeoutMs: 1000 })))
    return { plugin, worker, events }
  }
  return {
    surroundings,
    made,
    /** The queue of the folder: the same for all workers of the test. */
    onDisk: () => sqliteQueue({ path: join(dataDir, 'tasks.db') }),
    started: async (making: Making = {}) => {
      const one = made(making)
      await one.worker.start()
      return one
    },
  }
}

export async function refusal(work: Promise<unknown>): Promise<WorkerError> {
  const error = await work.then(
    () => null,
    (reason: unknown) => reason,
  )
  if (isWorkerError(error)) return error
  throw new Error(`expected a WorkerError, got ${String(error)}`)
}

export const failing = (message: string) => () => {
  throw new Error(message)
}
