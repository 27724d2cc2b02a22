import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { DatabaseSync } from 'node:sqlite'
import { fileURLToPath } from 'node:url'
import dataCleanup from '@mcp-worker/handler-data-cleanup'
import { createLogger, createWorker, memoryQueue } from '@mcp-worker/runtime'
import { expect, onTestFinished, test } from 'vitest'
import { tempFolder } from './temp-folder.js'

const ROWS = 100_000
const MIB = 1024 * 1024

function makeDatabase(path: string): void {
  const db = new DatabaseSync(path)
  db.exec('PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL')
  db.exec('CREATE TABLE events (id INTEGER PRIMARY KEY, at INTEGER, body TEXT); BEGIN')
  const insert = db.prepare('INSERT INTO events (at, body) VALUES (?, ?)')
  for (let i = 0; i < ROWS; i++) insert.run(1_000, 'x'.repeat(300))
  db.exec('COMMIT; CREATE INDEX by_time ON events (at); PRAGMA wal_checkpoint(TRUNCATE)')
  db.close()
}

async function startWriter(path: string) {
  const program = fileURLToPath(new URL('./writer.fixture.ts', import.meta.url))
  const child = spawn(process.execPath, [program, path], { stdio: ['ignore', 'pipe', 'inherit'] })
  onTestFinished(() => void child.kill('SIGKILL'))
  const lines: string[] = []
  const output = createInterface({ input: child.stdout }).on('line', (line) => lines.push(line))
  await once(output, 'line')
  return async () => {
    const closed = once(child, 'close')
    child.kill('SIGTERM')
    await closed
    return JSON.parse(lines.at(-1) ?? '') as Record<'written' | 'failed' | 'maxMs' | 'maxWalBytes', number>
  }
}

test('100,000 expired rows go while another process writes: no write fails, the log stays small, the file shrinks', async () => {
  const folder = await tempFolder()
  const path = join(folder, 'app.db')
  makeDatabase(path)
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
  const stopWriter = await startWriter(path)
  const result = await (
    await worker.submit('data_cleanup', { target: 'database', older_than: '24h' })
  ).result()
  const writer = await stopWriter()
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
