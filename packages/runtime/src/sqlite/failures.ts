import { statfsSync } from 'node:fs'
import { WorkerError, type ErrorCode } from '../errors.js'

const SQLITE_BUSY = 5
const SQLITE_IOERR = 10
const SQLITE_CORRUPT = 11
const SQLITE_FULL = 13
const SQLITE_CANTOPEN = 14
const SQLITE_NOTADB = 26
const SQLITE_READONLY = 8

/** The primary result code of an error that SQLite raised; null for others. */
function resultCodeOf(error: unknown): number | null {
  if (!(error instanceof Error) || !('errcode' in error) || typeof error.errcode !== 'number') return null
  return error.errcode & 0xff
}

export function isStorageFull(error: unknown): boolean {
  return resultCodeOf(error) === SQLITE_FULL
}

/** After these nothing that the store says can be relied on: a retried fsync lies. */
export function isFatal(error: unknown): boolean {
  const code = resultCodeOf(error)
  return code === SQLITE_IOERR || code === SQLITE_CORRUPT || code === SQLITE_NOTADB
}

const CANNOT_OPEN =
  'the queue file, or the -wal and -shm files that are made beside it, cannot be opened: expected a folder that this user may write to, on a disk that is not read-only'

/** A SQLite error in the words of the contract. `unknown`: the transaction may have been committed. */
export function toStoreError(error: unknown, unknown = false): WorkerError {
  const code = resultCodeOf(error)
  const message = error instanceof Error ? error.message : String(error)
  const make = (name: ErrorCode, text: string) => new WorkerError(name, text, { cause: error })
  if (isFatal(error)) return make('store_failed', `SQLite: ${message}`)
  if (code === SQLITE_FULL) return make('storage_full', `no room for the queue file: ${message}`)
  if (unknown) return make('outcome_unknown', `the commit failed: ${message}`)
  if (code === SQLITE_BUSY)
    return make('store_unavailable', 'another process held the write lock for too long')
  if (code === SQLITE_READONLY) return make('store_unavailable', 'the queue file cannot be written')
  if (code === SQLITE_CANTOPEN) return make('store_unavailable', CANNOT_OPEN)
  return make('store_unavailable', message)
}

/** statfs types of file systems whose locks and fsyncs reach over a network: NFS, SMB, CIFS, SMB2, AFS, Ceph, Lustre. */
const NETWORK_TYPES = new Set([0x6969, 0x517b, 0xff534d42, 0xfe534d42, 0x5346414f, 0x00c36400, 0x0bd00bd0])

export function refuseNetworkFileSystem(directory: string): void {
  const { type } = statfsSync(directory)
  if (NETWORK_TYPES.has(type)) {
    throw new WorkerError(
      'network_file_system',
      `${directory} is on a network file system (statfs type 0x${type.toString(16)})`,
    )
  }
}

export function freeBytes(directory: string): number {
  const { bavail, bsize } = statfsSync(directory)
  return bavail * bsize
}
