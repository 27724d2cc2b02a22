import { mkdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { NonRetryableError } from '@mcp-worker/runtime'
import { pause } from '../pause.js'
import { classifySqliteError, isBusy, unusableFile } from './errors.js'
import { isCurrent, isEmpty, makeSchema, pragma } from './schema.js'

/** One connection, for one thread. `node:sqlite` is synchronous: within `body` nothing else of this thread runs. */
export interface SqliteConnection {
  readonly db: DatabaseSync
  /** A snapshot of the last commit. */
  readonly read: <T>(body: () => T) => Promise<T>
  /** `BEGIN IMMEDIATE … COMMIT`, durable when it resolves. Waits for other writers up to the busy timeout. */
  readonly write: <T>(body: () => T, signal?: AbortSignal) => Promise<T>
  /** For what SQLite does not do within a transaction. Waits like `write`. */
  readonly exclusive: <T>(body: () => T, signal?: AbortSignal) => Promise<T>
  readonly close: () => void
}

/** SQLite itself waits this long inside a call, blocking the thread; the rest is waited in turns of the event loop. */
const BLOCKING_WAIT_MS = 50

/** Opens or makes the file and checks the settings that durability depends on. */
export async function openSqliteConnection(path: string, busyTimeoutMs: number): Promise<SqliteConnection> {
  await mkdir(dirname(path), { recursive: true }).catch((error: unknown) => {
    throw unusableFile(path, error)
  })
  const attempt = <T>(body: () => T, signal?: AbortSignal) => whileBusy(body, { path, busyTimeoutMs, signal })
  const db = await attempt(() => openFile(path))
  try {
    await attempt(() => configure(db, path))
    // looked at first without the write lock, so that a file in use can be opened while somebody writes
    const current = await attempt(() => isCurrent(db))
    if (!current) await attempt(() => transaction(db, 'IMMEDIATE', () => makeSchema(db, path)))
  } catch (error) {
    db.close()
    throw error
  }
  return {
    db,
    read: (body) => attempt(() => transaction(db, 'DEFERRED', body)),
    write: (body, signal) => attempt(() => transaction(db, 'IMMEDIATE', body), signal),
    exclusive: attempt,
    close: () => db.close(),
  }
}

/** Foreign keys are for the reader: SQLite would look for chunks of each deleted document without an index. `inspect` finds orphans. */
function openFile(path: string): DatabaseSync {
  return new DatabaseSync(path, { timeout: BLOCKING_WAIT_MS, enableForeignKeyConstraints: false })
}

function configure(db: DatabaseSync, path: string): void {
  // both have to come before the first table. Pages of 8 KiB hold three vectors of 384 components with their texts (a third less file than
  // with 4 KiB); incremental vacuum lets `optimize` give space back in slices
  if (isEmpty(db)) db.exec('PRAGMA page_size = 8192; PRAGMA auto_vacuum = INCREMENTAL')
  db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL')
  db.exec('PRAGMA journal_size_limit = 67108864; PRAGMA cache_size = -16384')
  const journal = pragma(db, 'journal_mode')
  const synchronous = pragma(db, 'synchronous')
  if (journal === 'wal' && synchronous === 2) return
  throw new NonRetryableError(
    `${path}: expected journal_mode wal and synchronous 2 (FULL), got ${String(journal)} and ${String(synchronous)}`,
    { code: 'STORE_NOT_DURABLE' },
  )
}

function transaction<T>(db: DatabaseSync, kind: 'DEFERRED' | 'IMMEDIATE', body: () => T): T {
  db.exec(`BEGIN ${kind}`)
  try {
    const answer = body()
    db.exec('COMMIT')
    return answer
  } catch (error) {
    // SQLite has already rolled back after some errors (disk full, I/O)
    if (db.isTransaction) db.exec('ROLLBACK')
    throw error
  }
}

interface BusyWait {
  readonly path: string
  readonly busyTimeoutMs: number
  readonly signal: AbortSignal | undefined
}

/** Nobody sees a lock error before the busy timeout is over. The pauses are jittered, so that writers do not meet again and again. */
async function whileBusy<T>(body: () => T, { path, busyTimeoutMs, signal }: BusyWait): Promise<T> {
  const giveUpAt = performance.now() + busyTimeoutMs
  for (;;) {
    signal?.throwIfAborted()
    try {
      return body()
    } catch (error) {
      if (!isBusy(error) || performance.now() >= giveUpAt) throw classifySqliteError(error, path)
    }
    await pause(1 + Math.random() * 20, signal)
  }
}
