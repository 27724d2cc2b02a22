import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { DatabaseSync } from 'node:sqlite'
import { fileURLToPath } from 'node:url'
import dataCleanup from '@mcp-worker/handler-data-cleanup'
import { createLogger, createWorker, memoryQueue } from '@mcp-worker/runtime'
import { round } from '../queue/machine.ts'
import type { DatabaseResult } from './parts.ts'

const MIB = 1024 * 1024

interface Round {
  readonly seconds: number
  readonly maxMs: number
  readonly p99Ms: number
  readonly maxWalBytes: number
  readonly before: number
  readonly after: number
}

/** Expired rows go while another process writes one row per transaction, every millisecond. */
export async function measureDatabase(rows: number, rounds: number): Promise<DatabaseResult> {
  const seen: Round[] = []
  for (let i = 0; i < rounds; i++) seen.push(await measureRound(rows))
  const last = seen.at(-1)!
  return {
    rows,
    seconds: round(Math.max(...seen.map(({ seconds }) => seconds)), 2),
    slowestWriteMs: seen.map(({ maxMs }) => round(maxMs, 1)),
    p99WriteMs: seen.map(({ p99Ms }) => round(p99Ms, 1)),
    maxWalMb: round(Math.max(...seen.map(({ maxWalBytes }) => maxWalBytes)) / MIB, 1),
    fileMbBefore: round(last.before / MIB, 1),
    fileMbAfter: round(last.after / MIB, 1),
  }
}

async function measureRound(rows: number): Promise<Round> {
  const folder = mkdtempSync(join(tmpdir(), 'mcp-worker-cleanup-db-'))
  const path = join(folder, 'app.db')
  makeDatabase(path, rows)
  const before = statSync(path).size
  const databases = [
    {
      name: 'app',
      engine: 'sqlite' as const,
      path,
      prune: [{ table: 'events', column: 'at', unit: 'ms' as const }],
    },
  ]
  const worker = createWorker({
    plugins: [dataCleanup({ targets: { database: { kind: 'database', databases } } })],
    queue: memoryQueue(),
    dataDir: join(folder, 'data'),
    logger: createLogger({ destination: { write: () => {} } }),
  })
  await worker.start()
  const stopWriter = await startWriter(path)
  const from = performance.now()
  const result = await (
    await worker.submit('data_cleanup', { target: 'database', older_than: '24h' })
  ).result()
  const seconds = (performance.now() - from) / 1000
  const written = await stopWriter()
  await worker.stop()
  const after = statSync(path).size
  rmSync(folder, { recursive: true })
  if (result.databases[0]?.rows_deleted !== rows)
    throw new Error(`expected ${rows} rows deleted: ${result.summary}`)
  console.log(`SQLite: ${seconds.toFixed(1)} s, slowest write ${written.maxMs.toFixed(1)} ms`)
  return { seconds, ...written, before, after }
}

function makeDatabase(path: string, rows: number): void {
  const db = new DatabaseSync(path)
  db.exec('PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL')
  db.exec('CREATE TABLE events (id INTEGER PRIMARY KEY, at INTEGER, body TEXT); BEGIN')
  const insert = db.prepare('INSERT INTO events (at, body) VALUES (?, ?)')
  for (let i = 0; i < rows; i++) insert.run(1_000, 'x'.repeat(300))
  db.exec('COMMIT; CREATE INDEX by_time ON events (at); PRAGMA wal_checkpoint(TRUNCATE)')
  db.close()
}

async function startWriter(path: string) {
  const program = fileURLToPath(new URL('./writer.ts', import.meta.url))
  const child = spawn(process.execPath, [program, path], { stdio: ['ignore', 'pipe', 'inherit'] })
  const lines: string[] = []
  const output = createInterface({ input: child.stdout }).on('line', (line) => lines.push(line))
  await once(output, 'line')
  return async () => {
    const closed = once(child, 'close')
    child.kill('SIGTERM')
    await closed
    return JSON.parse(lines.at(-1) ?? '') as Record<'maxMs' | 'p99Ms' | 'maxWalBytes', number>
  }
}
