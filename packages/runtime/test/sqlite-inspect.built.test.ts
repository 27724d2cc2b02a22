import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createWorker, definePlugin, NonRetryableError } from '@mcp-worker/runtime'
import {
  checkQueueFile,
  countWorkers,
  readQueueState,
  sqliteQueue,
  tryQueueFolder,
} from '@mcp-worker/runtime/sqlite'
import { pino } from 'pino'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { z } from 'zod'

const nothing = z.strictObject({})
const plugin = definePlugin({
  contract: 1,
  name: '@test/inspect',
  version: '1.0.0',
  module: import.meta.url,
  options: nothing,
  handlers: (handler) => [
    handler('good', { payload: nothing, result: nothing, run: () => ({}) }),
    handler('bad', {
      payload: nothing,
      result: nothing,
      run: () => {
        throw new NonRetryableError('no', { code: 'no_bucket' })
      },
    }),
  ],
})

let directory = ''

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'mcp-worker-inspect-'))
})

afterEach(() => {
  rmSync(directory, { recursive: true, force: true })
})

it('tells what waits, what is paused and what failed, while a worker works, and leaves the folder as it was', async () => {
  const path = join(directory, 'queue.db')
  const logger = pino({ level: 'silent' })
  const worker = createWorker({
    plugins: [plugin()],
    queue: sqliteQueue({ path }),
    dataDir: directory,
    logger,
  })
  await worker.start()
  await worker.pause('good')
  await worker.submit('good', {})
  await worker.submit('good', {}, { delay: '1h' })
  const { id } = await worker.submit('bad', {})
  await worker.wait(id, { timeoutMs: 10_000 })
  expect(readQueueState(path)).toMatchObject({
    waiting: [{ type: 'good', version: 1, count: 2 }],
    paused: ['good'],
    // a paused task could not be claimed
    oldestReadyAt: null,
    failures: [{ type: 'bad', code: 'no_bucket', count: 1 }],
  })
  expect(readQueueState(path).walBytes).toBeGreaterThan(0)
  expect(checkQueueFile(path)).toMatchObject({ tasks: 3, damaged: 0 })
  await worker.resume('good')
  await worker.stop()
  const before = readdirSync(directory)
  readQueueState(path)
  expect(checkQueueFile(path, 'quick')).toMatchObject({ tasks: 3, damaged: 0 })
  expect(countWorkers(path)).toBe(0)
  expect(readdirSync(directory)).toEqual(before)
})

it('tries a folder with a file of its own, and leaves nothing there', () => {
  const folder = join(directory, 'data')
  mkdirSync(folder)
  for (const durability of ['power', 'process'] as const) {
    expect(tryQueueFolder(folder, durability).commitMs).toBeGreaterThan(0)
  }
  expect(readdirSync(folder)).toEqual([])
})

it('refuses a file system where nothing can be made', () => {
  expect(() => tryQueueFolder('/proc', 'power')).toThrow(
    expect.objectContaining({ code: 'store_unavailable' }),
  )
})
