import { stat } from 'node:fs/promises'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { fault } from '../fault.js'
import type { SqliteDatabase } from '../options.js'

/** "mcpw" in the header: the worker's queue. */
const QUEUE_ID = 0x6d637077
/** "MCVI": the vector index, which counts its rows itself. */
const VECTORS_ID = 0x4d435649

/** https://www.sqlite.org/rescode.html */
const BUSY = 5
const LOCKED = 6
const CORRUPT = 11
const CANNOT_OPEN = 14
const NOT_A_DATABASE = 26

/** SQLite itself waits this long inside a call, blocking the thread; the rest is waited in turns of the event loop. */
const BLOCKING_WAIT_MS = 20

export interface SqliteFile {
  readonly spec: SqliteDatabase
  readonly db: DatabaseSync
  readonly signal: AbortSignal
}

/** Opens a file that is there; never makes one. */
export async function openSqlite(spec: SqliteDatabase, signal: AbortSignal): Promise<SqliteFile> {
  const there = await stat(spec.path).catch(() => null)
  if (!there?.isFile())
    throw fault('DATABASE_MISSING', `${spec.name}: expected a SQLite file at ${spec.path}`)
  const url = pathToFileURL(spec.path)
  url.searchParams.set('mode', 'rw')
  const db = new DatabaseSync(url, { timeout: BLOCKING_WAIT_MS })
  try {
    const file = { spec, db, signal }
    await whileBusy(file, () => refuseOurs(file))
    return file
  } catch (error) {
    db.close()
    throw error
  }
}

function refuseOurs({ db, spec }: SqliteFile): void {
  const id = pragma(db, 'application_id')
  if (id === QUEUE_ID)
    throw fault('DATABASE_REFUSED', `${spec.name}: ${spec.path} is the task queue of a worker`)
  if (id === VECTORS_ID && spec.prune.length > 0) {
    const remedy = 'its rows are deleted by vector_index tasks; leave out prune'
    throw fault('DATABASE_RULE', `${spec.name}: ${spec.path} is a vector index: ${remedy}`)
  }
}

export function pragma(db: DatabaseSync, name: string): number {
  return Number(Object.values(db.prepare(`PRAGMA ${name}`).get() ?? {})[0])
}

/** Runs `body` when the lock it needs is free. Retryable `DATABASE_BUSY` after the target's busy timeout. */
export async function whileBusy<T>({ spec, signal }: Omit<SqliteFile, 'db'>, body: () => T): Promise<T> {
  const giveUpAt = performance.now() + spec.busyTimeoutMs
  for (;;) {
    signal.throwIfAborted()
    try {
      return body()
    } catch (error) {
      if (!isBusy(error) || performance.now() >= giveUpAt) throw sqliteFault(error, spec)
    }
    await setTimeout(1 + Math.random() * 20, undefined, { signal })
  }
}

export function inTransaction<T>(db: DatabaseSync, body: () => T): T {
  db.exec('BEGIN IMMEDIATE')
  try {
    const answer = body()
    db.exec('COMMIT')
    return answer
  } catch (error) {
    if (db.isTransaction) db.exec('ROLLBACK')
    throw error
  }
}

function primaryCode(error: unknown): number | null {
  if (typeof error !== 'object' || error === null || !('errcode' in error)) return null
  return typeof error.errcode === 'number' ? error.errcode & 0xff : null
}

function isBusy(error: unknown): boolean {
  const code = primaryCode(error)
  return code === BUSY || code === LOCKED
}

function sqliteFault(error: unknown, { name, path }: SqliteDatabase): unknown {
  const code = primaryCode(error)
  if (code === null) return error
  const text = `${name}: ${path}: ${error instanceof Error ? error.message : 'unknown'}`
  if (code === BUSY || code === LOCKED) return fault('DATABASE_BUSY', text, error)
  if (code === CORRUPT || code === NOT_A_DATABASE) return fault('INTEGRITY_FAILED', text, error)
  return code === CANNOT_OPEN || code === 1
    ? fault('DATABASE_RULE', text, error)
    : fault('DATABASE_UNAVAILABLE', text, error)
}
