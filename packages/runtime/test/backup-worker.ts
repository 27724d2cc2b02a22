import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createWorker, definePlugin, isWorkerError } from '@mcp-worker/runtime'
import { sqliteQueue } from '@mcp-worker/runtime/sqlite'
import { pino } from 'pino'
import { afterEach, beforeEach } from 'vitest'
import { z } from 'zod'

const text = z.strictObject({ text: z.string() })

/** `echo` ends at once; `hold` runs until it is stopped, and says when it started. */
function plugin(started: EventTarget) {
  return definePlugin({
    contract: 1,
    name: '@test/backup',
    version: '1.0.0',
    module: import.meta.url,
    options: z.strictObject({}),
    handlers: (handler) => [
      handler('echo', { payload: text, result: text, run: ({ payload }) => payload }),
      handler('hold', {
        payload: text,
        result: text,
        run: ({ signal }) =>
          new Promise((_resolve, reject) => {
            signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true })
            started.dispatchEvent(new Event('started'))
          }),
      }),
    ],
  })()
}

let directory = ''
let stops: (() => Promise<unknown>)[] = []

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'mcp-worker-backup-'))
  stops = []
})

afterEach(async () => {
  for (const stop of stops) await stop()
  rmSync(directory, { recursive: true, force: true })
})

/** A path in the test's own folder. */
export const at = (name: string) => join(directory, name)

/** Stopped after the test. `started` hears of each start of `hold`. */
export async function startWorker(path: string, started = new EventTarget()) {
  const worker = createWorker({
    plugins: [plugin(started)],
    queue: sqliteQueue({ path }),
    dataDir: directory,
    logger: pino({ level: 'silent' }),
  })
  await worker.start()
  stops.push(() => worker.stop({ timeoutMs: 100 }))
  return { worker, started }
}

/** A queue with three tasks that wait for an hour, as a worker that was stopped left it. */
export async function makeQueue(path: string): Promise<void> {
  const { worker } = await startWorker(path)
  for (const id of ['a', 'b', 'c'])
    await worker.submit('echo', { text: id.repeat(3_000) }, { id, delay: '1h' })
  await worker.stop()
}

export async function codeOf(work: () => unknown): Promise<unknown> {
  try {
    return await work()
  } catch (error) {
    if (!isWorkerError(error)) throw error
    return error.code
  }
}
