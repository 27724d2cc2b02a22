import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { DatabaseSync } from 'node:sqlite'
import { fileURLToPath } from 'node:url'

/** A SQLite file with so many expired rows in the table `events` (`at` in milliseconds, `body`). For the test and the bench. */
export function makeExpired(path: string, rows: number): void {
  const db = new DatabaseSync(path)
  db.exec('PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL')
  db.exec('CREATE TABLE events (id INTEGER PRIMARY KEY, at INTEGER, body TEXT); BEGIN')
  const insert = db.prepare('INSERT INTO events (at, body) VALUES (?, ?)')
  for (let i = 0; i < rows; i++) insert.run(1_000, 'x'.repeat(300))
  db.exec('COMMIT; CREATE INDEX by_time ON events (at); PRAGMA wal_checkpoint(TRUNCATE)')
  db.close()
}

export interface Written {
  readonly written: number
  readonly failed: number
  readonly maxMs: number
  readonly p99Ms: number
  readonly maxWalBytes: number
}

/** Another process that writes a row every millisecond, each in a transaction of its own. */
export async function startWriter(path: string) {
  const program = fileURLToPath(new URL('./writer.fixture.ts', import.meta.url))
  const child = spawn(process.execPath, [program, path], { stdio: ['ignore', 'pipe', 'inherit'] })
  const lines: string[] = []
  const output = createInterface({ input: child.stdout }).on('line', (line) => lines.push(line))
  await once(output, 'line')
  const stop = async (): Promise<Written> => {
    const closed = once(child, 'close')
    child.kill('SIGTERM')
    await closed
    return JSON.parse(lines.at(-1) ?? '') as Written
  }
  return { stop, kill: () => void child.kill('SIGKILL') }
}
