import { randomUUID } from 'node:crypto'
import { existsSync, readdirSync, rmSync, statSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { isWorkerError, WorkerError, type Fault } from '../errors.js'
import { rowHash } from './accept.js'
import { refuseNetworkFileSystem, toStoreError } from './failures.js'
import { isOwnerAlive } from './owners.js'
import { refuseForeign, setPragmas, type SqliteDurability } from './schema.js'

/** What a sound queue file holds. */
export interface QueueFileReport {
  readonly schemaVersion: number
  readonly tasks: number
  /** Tasks whose stored row does not match its hash: each of them ends as failed with `corrupt` when its turn comes. */
  readonly damaged: number
  /** The ids of the first 20 of them. */
  readonly damagedIds: readonly string[]
}

/** What waits, fails and is held back, for people who look for a cause. */
export interface QueueState {
  readonly walBytes: number
  readonly waiting: readonly { readonly type: string; readonly version: number; readonly count: number }[]
  readonly paused: readonly string[]
  /** When the oldest task that could be claimed got ready, milliseconds since the epoch; null: none waits. */
  readonly oldestReadyAt: number | null
  /** Failed for good in the last 24 hours, most frequent first. */
  readonly failures: readonly { readonly type: string; readonly code: string; readonly count: number }[]
}

const BUSY_MS = 5_000
const SHOWN = 20
const DAY_MS = 86_400_000

/**
 * Reads a queue file from end to end, while workers use it or not: is it ours, is its schema known, does SQLite find it sound (`full`: the
 * indexes too), does each task match its hash. Rejects by throwing `store_failed` (with what SQLite found in `faults`) or `store_newer`.
 */
export function checkQueueFile(path: string, depth: 'quick' | 'full' = 'full'): QueueFileReport {
  return readOnly(path, (db) => {
    refuseForeign(db)
    const schemaVersion = Number(db.prepare('PRAGMA user_version').get()?.['user_version'])
    if (schemaVersion === 0) {
      throw new WorkerError('store_failed', `${path} is a SQLite database without a queue in it`)
    }
    const faults = [...cutOff(db, path), ...structuralFaults(db, depth)]
    if (faults.length > 0) {
      throw new WorkerError('store_failed', `${path} is damaged: ${faults[0]?.message}`, { faults })
    }
    return { schemaVersion, ...checkRows(db) }
  })
}

/** SQLite fills the last page of a file that was cut off with zeros, and finds nothing wrong. */
function cutOff(db: DatabaseSync, path: string): Fault[] {
  const pageSize = Number(db.prepare('PRAGMA page_size').get()?.['page_size'])
  const isWhole = sizeOf(path) % pageSize === 0
  return isWhole ? [] : [{ path: '', message: 'it was cut off: its last page is not whole' }]
}

function structuralFaults(db: DatabaseSync, depth: 'quick' | 'full'): Fault[] {
  const rows = db.prepare(`PRAGMA ${depth === 'full' ? 'integrity_check' : 'quick_check'}(${SHOWN})`).all()
  return rows
    .map((row) => String(Object.values(row)[0]))
    .filter((message) => message !== 'ok')
    .map((message) => ({ path: '', message }))
}

function checkRows(db: DatabaseSync): Omit<QueueFileReport, 'schemaVersion'> {
  const rows = db.prepare('SELECT id, type, version, payload, hash FROM tasks LEFT JOIN bodies USING (seq)')
  const damagedIds: string[] = []
  let tasks = 0
  let damaged = 0
  for (const { id, type, version, payload, hash } of rows.iterate()) {
    tasks++
    if (rowHash(String(id), String(type), Number(version), String(payload)) === hash) continue
    damaged++
    if (damagedIds.length < SHOWN) damagedIds.push(String(id))
  }
  return { tasks, damaged, damagedIds }
}

/** Throws as `checkQueueFile` does. */
export function readQueueState(path: string): QueueState {
  return readOnly(path, (db) => {
    refuseForeign(db)
    const waiting = db.prepare(
      `SELECT type, version, sum(n) AS n FROM counts WHERE status IN ('scheduled', 'queued', 'retrying')
       GROUP BY type, version HAVING sum(n) > 0`,
    )
    const oldest = db.prepare(`SELECT min(ready_at) AS at FROM tasks WHERE status = 'queued'
       AND type NOT IN (SELECT type FROM paused)`)
    const failures = db.prepare(
      `SELECT type, coalesce(error_code, failure_reason) AS code, count(*) AS n FROM tasks
       WHERE status = 'failed' AND finished_at > ? GROUP BY 1, 2 ORDER BY n DESC LIMIT ${SHOWN}`,
    )
    const at = oldest.get()?.['at'] ?? null
    return {
      walBytes: sizeOf(`${path}-wal`),
      waiting: waiting.all().map((row) => ({
        type: String(row['type']),
        version: Number(row['version']),
        count: Number(row['n']),
      })),
      paused: db
        .prepare('SELECT type FROM paused')
        .all()
        .map((row) => String(row['type'])),
      oldestReadyAt: at === null ? null : Number(at),
      failures: failures.all(Date.now() - DAY_MS).map((row) => ({
        type: String(row['type']),
        code: String(row['code']),
        count: Number(row['n']),
      })),
    }
  })
}

/** How many workers have this queue open. Their locks die with them, so that a killed one does not count. */
export function countWorkers(path: string): number {
  const directory = ownersOf(path)
  if (!existsSync(directory)) return 0
  const owners = readdirSync(directory).filter((name) => name.endsWith('.db'))
  return owners.filter((name) => isOwnerAlive(directory, basename(name, '.db'))).length
}

export function ownersOf(path: string): string {
  return join(dirname(path), `${basename(path)}-owners`)
}

/**
 * Tries in a file of its own what the queue will ask of this folder: a local file system, the settings that durability depends on, a lock that others
 * see, a commit. Answers how long a commit takes (median of nine, with its fsync). Throws `network_file_system`, `pragma_refused`,
 * `storage_full`, `store_unavailable` or `store_failed`. Leaves nothing behind.
 */
export function tryQueueFolder(
  directory: string,
  durability: SqliteDurability,
): { readonly commitMs: number } {
  refuseNetworkFileSystem(directory)
  const path = join(directory, `.try-${randomUUID()}.db`)
  const open: DatabaseSync[] = []
  const connect = () => {
    const db = new DatabaseSync(path, { timeout: 0 })
    open.push(db)
    setPragmas(db, durability)
    return db
  }
  try {
    const first = connect()
    first.exec('CREATE TABLE trial (n INTEGER) STRICT')
    expectLock(first, connect())
    return { commitMs: medianCommitMs(first) }
  } catch (error) {
    throw isWorkerError(error) ? error : toStoreError(error)
  } finally {
    for (const db of open) db.close()
    for (const suffix of ['', '-wal', '-shm', '-journal']) rmSync(`${path}${suffix}`, { force: true })
  }
}

function expectLock(first: DatabaseSync, second: DatabaseSync): void {
  first.exec('BEGIN IMMEDIATE')
  let refused = false
  try {
    second.exec('BEGIN IMMEDIATE')
    second.exec('ROLLBACK')
  } catch {
    refused = true
  }
  first.exec('ROLLBACK')
  if (!refused) {
    const message = 'two connections got the write lock at once: this file system does not lock'
    throw new WorkerError('store_failed', message)
  }
}

function medianCommitMs(db: DatabaseSync): number {
  const insert = db.prepare('INSERT INTO trial VALUES (?)')
  const times = Array.from({ length: 9 }, (_, n) => {
    const from = performance.now()
    insert.run(n)
    return performance.now() - from
  })
  return times.toSorted((a, b) => a - b)[4] ?? 0
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0
}

/** On one view of the file, whatever is written meanwhile. */
function readOnly<T>(path: string, read: (db: DatabaseSync) => T): T {
  let db: DatabaseSync | null = null
  try {
    db = openToRead(path)
    return read(db)
  } catch (error) {
    throw isWorkerError(error) ? error : toStoreError(error)
  } finally {
    db?.close()
  }
}

/**
 * A connection in a read transaction, that is, with a view that stands still. Where the file has no log a read-only connection would leave an empty one
 * behind; where it has one, only a read-only connection leaves it as it is.
 */
export function openToRead(path: string): DatabaseSync {
  if (!existsSync(path)) throw new WorkerError('store_failed', `there is no file ${path}`)
  const db = new DatabaseSync(path, { readOnly: existsSync(`${path}-wal`), timeout: BUSY_MS })
  try {
    db.exec('PRAGMA query_only = ON')
    db.exec('BEGIN')
    db.prepare('SELECT count(*) FROM sqlite_schema').get()
    return db
  } catch (error) {
    db.close()
    throw error
  }
}
