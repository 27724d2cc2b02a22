import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import dataCleanup from '@mcp-worker/handler-data-cleanup'
import { createLogger, createWorker, memoryQueue } from '@mcp-worker/runtime'
import { expect, onTestFinished, test } from 'vitest'
import { makeExpired, startWriter } from './busy-database.js'
import { tempFolder } from './temp-folder.js'

const ROWS = 100_000
const MIB = 1024 * 1024

test('100,000 expired rows go while another process writes: no write fails, the log stays small, the file shrinks', async () => {
  const folder = await tempFolder()
  const path = join(folder, 'app.db')
  makeExpired(path, ROWS)
  const before = (await stat(path)).size
  const prune = [{ table: 'events', column: 'at', unit: 'ms' as const }]
  const databases = [{ name: 'app', engine: 'sqlite' as const, path, prune }]
  const worker = createWorker({
    plugins: [dataCleanup({ targets: { database: { kind: 'database', databases } } })],
    queue: memoryQueue(),
    dataDir: await tempFolder(),
    logger: createLogger({ destination: { write: () => {} } }),
  })
  await worker.start()
  onTestFinished(async () => void (await worker.stop()))
  const running = await startWriter(path)
  onTestFinished(running.kill)
  const result = await (
    await worker.submit('data_cleanup', { target: 'database', older_than: '24h' })
  ).result()
  const writer = await running.stop()
  expect(result).toMatchObject({ outcome: 'done', databases: [{ rows_deleted: ROWS, vacuum: 'done' }] })
  expect(writer.failed).toBe(0)
  expect(writer.written).toBeGreaterThan(100)
  expect(writer.maxWalBytes).toBeLessThan(16 * MIB)
  expect((await stat(path)).size).toBeLessThan(before / 10)
  const db = new DatabaseSync(path, { readOnly: true })
  expect(db.prepare('SELECT count(*) AS n FROM events').get()).toEqual({ n: writer.written })
  db.close()
  console.info(
    `the slowest write took ${writer.maxMs.toFixed(1)} ms, the log grew to ${(writer.maxWalBytes / MIB).toFixed(1)} MiB`,
  )
})
