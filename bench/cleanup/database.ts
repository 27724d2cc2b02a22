import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import dataCleanup from '@mcp-worker/handler-data-cleanup'
import { createLogger, createWorker, memoryQueue } from '@mcp-worker/runtime'
import {
  makeExpired,
  startWriter,
  type Written,
} from '../../packages/handler-data-cleanup/test/busy-database.ts'
import { round } from '../queue/machine.ts'
import type { DatabaseResult } from './parts.ts'

const MIB = 1024 * 1024

interface Round extends Written {
  readonly seconds: number
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
  makeExpired(path, rows)
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
  const writer = await startWriter(path)
  const from = performance.now()
  const result = await (
    await worker.submit('data_cleanup', { target: 'database', older_than: '24h' })
  ).result()
  const seconds = (performance.now() - from) / 1000
  const written = await writer.stop()
  await worker.stop()
  const after = statSync(path).size
  rmSync(folder, { recursive: true })
  if (result.databases[0]?.rows_deleted !== rows || written.failed > 0)
    throw new Error(
      `expected ${rows} rows deleted and no failed write (${written.failed}): ${result.summary}`,
    )
  console.log(`SQLite: ${seconds.toFixed(1)} s, slowest write ${written.maxMs.toFixed(1)} ms`)
  return { seconds, ...written, before, after }
}
