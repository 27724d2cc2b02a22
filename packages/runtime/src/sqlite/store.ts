import { closeSync, mkdirSync, openSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { DatabaseSync, type DatabaseSyncOptions } from 'node:sqlite'
import type { Clock } from '../clock.js'
import { isWorkerError, type WorkerError } from '../errors.js'
import { createAccept } from './accept.js'
import type { StoreBase } from './base.js'
import { createDeliver } from './deliver.js'
import { refuseNetworkFileSystem, toStoreError } from './failures.js'
import type { ResidentData } from './messages.js'
import { forgetIdleDead, holdOwnerLock } from './owners.js'
import { createHandOver } from './hand-over.js'
import { createReader } from './read.js'
import { createReap } from './reap.js'
import { migrate, refuseForeign, setPragmas } from './schema.js'
import { createSettle } from './settle.js'
import { createSteer } from './steer.js'
import { createTally } from './tally.js'
import { createTend } from './tend.js'

/** All that can be done with the file, as plain calls on one connection; `resident.ts` puts them into transactions. */
export type Store = ReturnType<typeof openStore>

export function openStore(data: ResidentData, clock: Clock) {
  const directory = dirname(data.path)
  mkdirSync(directory, { recursive: true })
  refuseNetworkFileSystem(directory)
  // a writer waits at most a quarter of the renewal interval, so that leases are renewed in time behind a slow neighbour
  const db = openFile(data.path, { timeout: Math.round(data.limits.leaseMs / 12) })
  try {
    // before anything is written: a setting would change another program's file
    refuseForeign(db)
    setPragmas(db, data.durability)
    migrate(db)
  } catch (error) {
    db.close()
    throw asStoreError(error)
  }
  const owners = join(directory, `${fileName(data.path)}-owners`)
  const lock = holdOwnerLock(owners, data.owner)
  forgetIdleDead(owners)
  const base: StoreBase = {
    db,
    clock,
    limits: data.limits,
    owner: data.owner,
    inHand: new Map(),
    tally: createTally(db),
  }
  const paused = createPaused(db)
  const settle = createSettle(base)
  const claim = createDeliver(base, paused.has)
  const renewLease = db.prepare(
    `UPDATE tasks SET lease_until = ? WHERE seq = ? AND deliveries = ? AND status = 'running'`,
  )
  const version = db.prepare('PRAGMA data_version')

  return {
    base,
    db,
    directory,
    accept: createAccept(base),
    claim,
    handOver: createHandOver(base, { claim, isPaused: paused.has }),
    settle,
    renewLease,
    paused,
    ...createSteer(base),
    ...createTend(base),
    ...createReader(base),
    ...createReap(base, settle, owners),
    /** Changes whenever another connection commits. */
    dataVersion: () => Number(version.get()?.['data_version']),
    close() {
      db.close()
      lock.release()
    },
  }
}

function openFile(path: string, options: DatabaseSyncOptions): DatabaseSync {
  try {
    createForOwnerOnly(path)
    return new DatabaseSync(path, options)
  } catch (error) {
    throw asStoreError(error)
  }
}

/** It holds payloads. SQLite gives the log the same rights. A file that is there keeps its own. */
function createForOwnerOnly(path: string): void {
  try {
    closeSync(openSync(path, 'wx', 0o600))
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error
  }
}

function asStoreError(error: unknown): WorkerError {
  return isWorkerError(error) ? error : toStoreError(error)
}

function fileName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1)
}

/** Paused types, read again whenever somebody may have changed them. */
function createPaused(db: DatabaseSync) {
  const all = db.prepare('SELECT type FROM paused')
  let types: ReadonlySet<string> | null = null
  return {
    has: (type: string) => (types ??= new Set(all.all().map((row) => String(row['type'])))).has(type),
    refresh: () => void (types = null),
  }
}
