import { randomUUID } from 'node:crypto'
import {
  closeSync,
  copyFileSync,
  existsSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { backup, DatabaseSync } from 'node:sqlite'
import { createClock } from '../clock.js'
import { isWorkerError, WorkerError } from '../errors.js'
import { DEFAULT_LIMITS } from '../queue.js'
import { asArray, fenceText, prepareArrays, type StoreBase } from './base.js'
import { refuseNetworkFileSystem, toStoreError } from './failures.js'
import { checkQueueFile, countWorkers, openToRead, ownersOf, type QueueFileReport } from './inspect.js'
import { isOwnerAlive } from './owners.js'
import { migrate } from './schema.js'
import { createSettle } from './settle.js'
import { createTally } from './tally.js'

export type BackupOutcome =
  | { readonly kind: 'written'; readonly report: QueueFileReport }
  /** There is a file of that name, and `replace` was not asked for. */
  | { readonly kind: 'exists' }
  /** The name is that of the queue itself, or of its log. */
  | { readonly kind: 'is_queue' }

export type RestoreOutcome =
  | {
      readonly kind: 'restored'
      readonly report: QueueFileReport
      /** Where the queue lies that was there before; null: there was none. */
      readonly setAside: string | null
      /** Tasks that ran when the backup was made: they wait again, and nothing is charged. */
      readonly released: number
      /** Workers that were started meanwhile; they may work on the queue that was set aside, and must be restarted. */
      readonly workers: number
    }
  /** Somebody has the queue open: `workers` workers, or, where it is 0, another program. */
  | { readonly kind: 'in_use'; readonly workers: number }
  /** Some tasks of the backup do not match their hash, and `acceptDamaged` was not asked for. */
  | { readonly kind: 'damaged'; readonly report: QueueFileReport }

const PAGES_PER_STEP = 1_000
const BUSY_MS = 5_000
const SQLITE_BUSY = 5
const OWN_ONLY = 0o600
const LOG_SUFFIXES = ['', '-wal', '-shm', '-journal'] as const

/**
 * Copies the queue at `path` into the one file `to`, as it is at one moment, while workers use it or not. The copy is checked from end to end before it gets
 * its name: under that name there is a whole backup or none. Only its owner may read it, for it holds payloads. Throws `store_failed` where
 * queue or copy is damaged, and what `checkQueueFile` throws.
 */
export async function backupQueue(
  path: string,
  to: string,
  { replace = false }: { readonly replace?: boolean } = {},
): Promise<BackupOutcome> {
  if (isQueueItself(path, to)) return { kind: 'is_queue' }
  if (!replace && existsSync(to)) return { kind: 'exists' }
  const copy = `${to}.${randomUUID().slice(0, 8)}.part`
  try {
    await copySnapshot(path, copy)
    intoOneFile(copy)
    const report = checkQueueFile(copy)
    sync(copy)
    if (replace) renameSync(copy, to)
    else if (!linkNew(copy, to)) return { kind: 'exists' }
    sync(dirname(to))
    return { kind: 'written', report }
  } catch (error) {
    throw asWorkerError(error)
  } finally {
    removeDatabase(copy)
  }
}

function isQueueItself(path: string, to: string): boolean {
  if (LOG_SUFFIXES.some((suffix) => resolve(to) === resolve(`${path}${suffix}`))) return true
  const [queue, target] = [path, to].map((one) => statSync(one, { throwIfNoEntry: false }))
  return queue !== undefined && queue.dev === target?.dev && queue.ino === target.ino
}

/** The read transaction keeps the view still: without it each commit of a worker would begin the copy anew. */
async function copySnapshot(path: string, copy: string): Promise<void> {
  const db = openToRead(path)
  try {
    closeSync(openSync(copy, 'wx', OWN_ONLY))
    await backup(db, copy, { rate: PAGES_PER_STEP })
  } finally {
    db.close()
  }
}

/** False: somebody else made the file meanwhile. */
function linkNew(from: string, to: string): boolean {
  try {
    linkSync(from, to)
    return true
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false
    throw error
  }
}

/**
 * Puts a copy of the file `from` in the place of the queue at `path`. It is checked from end to end before anything is touched; the queue that is there is
 * kept beside it as `queue.db.before-restore-TIME`. No worker may have the queue open. Throws what `checkQueueFile` throws, and
 * `network_file_system`.
 */
export function restoreQueue(
  from: string,
  path: string,
  { acceptDamaged = false }: { readonly acceptDamaged?: boolean } = {},
): RestoreOutcome {
  mkdirSync(dirname(path), { recursive: true })
  refuseNetworkFileSystem(dirname(path))
  const workers = countWorkers(path)
  if (workers > 0) return { kind: 'in_use', workers }
  const copy = `${path}.${randomUUID().slice(0, 8)}.part`
  try {
    copyDatabase(from, copy)
    const report = checkQueueFile(copy)
    if (report.damaged > 0 && !acceptDamaged) return { kind: 'damaged', report }
    const released = makeReady(copy)
    intoOneFile(copy)
    sync(copy)
    if (!closeOld(path) || countWorkers(path) > 0) return { kind: 'in_use', workers: countWorkers(path) }
    const setAside = swap(copy, path)
    forgetDeadOwners(path)
    return { kind: 'restored', report, setAside, released, workers: countWorkers(path) }
  } catch (error) {
    throw asWorkerError(error)
  } finally {
    removeDatabase(copy)
  }
}

/** With its log, where it has one: then it is no backup, but a queue of workers that ended or were killed. */
function copyDatabase(from: string, copy: string): void {
  if (!existsSync(from)) throw new WorkerError('store_failed', `there is no file ${from}`)
  copyFileSync(from, copy)
  if (existsSync(`${from}-wal`)) copyFileSync(`${from}-wal`, `${copy}-wal`)
}

/** Brings the copy to this version's schema, and lets go what somebody had in hand. Answers how many tasks that were. */
function makeReady(copy: string): number {
  const db = new DatabaseSync(copy, { timeout: BUSY_MS })
  try {
    migrate(db)
    const tally = createTally(db)
    const base: StoreBase = {
      db,
      clock: createClock(),
      limits: DEFAULT_LIMITS,
      owner: '',
      inHand: new Map(),
      tally,
    }
    const settle = createSettle(base)
    const running = prepareArrays(db, `SELECT seq, deliveries FROM tasks WHERE status = 'running'`)
    db.exec('BEGIN IMMEDIATE')
    const rows = running.all()
    for (const row of rows) {
      const [seq, delivery] = asArray(row) as [number, number]
      settle(fenceText({ seq, delivery }), { kind: 'release' })
    }
    tally.flush()
    db.exec('COMMIT')
    return rows.length
  } finally {
    db.close()
  }
}

/** Ends the log of the old queue, which only works while nobody else has it open. False: somebody has. */
function closeOld(path: string): boolean {
  // a damaged one is kept as it is: by opening it to write, SQLite would throw its log away
  if (!existsSync(path) || !isSound(path)) return true
  try {
    intoOneFile(path)
    return true
  } catch (error) {
    if (isBusy(error)) return false
    throw error
  }
}

function isSound(path: string): boolean {
  try {
    checkQueueFile(path, 'quick')
    return true
  } catch {
    return false
  }
}

function isBusy(error: unknown): boolean {
  return error instanceof Error && 'errcode' in error && (Number(error.errcode) & 0xff) === SQLITE_BUSY
}

/** Answers where the old queue lies now. At every moment there is a file at `path`, if there was one. */
function swap(copy: string, path: string): string | null {
  const aside = `${path}.before-restore-${new Date().toISOString().replaceAll(/[:.]/g, '-')}`
  const hadOne = existsSync(path)
  if (hadOne) linkSync(path, aside)
  // an old log beside the new file would be taken for its own
  for (const suffix of ['-wal', '-shm']) {
    if (existsSync(`${path}${suffix}`)) renameSync(`${path}${suffix}`, `${aside}${suffix}`)
  }
  renameSync(copy, path)
  sync(dirname(path))
  return hadOne ? aside : null
}

function forgetDeadOwners(path: string): void {
  const directory = ownersOf(path)
  if (!existsSync(directory)) return
  for (const name of readdirSync(directory)) {
    if (name.endsWith('.db') && !isOwnerAlive(directory, basename(name, '.db'))) rmSync(join(directory, name))
  }
}

/** No log beside the file: what a backup is, and what can be renamed. Workers turn the log on again. */
function intoOneFile(path: string): void {
  const db = new DatabaseSync(path, { timeout: 0 })
  try {
    db.exec('PRAGMA journal_mode = DELETE')
  } finally {
    db.close()
  }
}

function sync(path: string): void {
  const descriptor = openSync(path, 'r')
  try {
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
}

function removeDatabase(path: string): void {
  for (const suffix of LOG_SUFFIXES) rmSync(`${path}${suffix}`, { force: true })
}

function asWorkerError(error: unknown): WorkerError {
  return isWorkerError(error) ? error : toStoreError(error)
}
