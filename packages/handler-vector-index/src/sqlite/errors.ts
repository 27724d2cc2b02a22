import { accessSync, constants, statSync } from 'node:fs'
import { basename, dirname } from 'node:path'
import { NonRetryableError, RetryableError } from '@mcp-worker/runtime'

/** Primary result codes of SQLite, https://www.sqlite.org/rescode.html */
const BUSY = 5
const LOCKED = 6
const FULL = 13
/** Rights: SQLITE_PERM, SQLITE_READONLY, SQLITE_CANTOPEN. */
const UNUSABLE: readonly (number | null)[] = [3, 8, 14]
const CORRUPT = 11
const NOTADB = 26

function primaryCode(error: unknown): number | null {
  if (typeof error !== 'object' || error === null || !('errcode' in error)) return null
  return typeof error.errcode === 'number' ? error.errcode & 0xff : null
}

export function isBusy(error: unknown): boolean {
  const code = primaryCode(error)
  return code === BUSY || code === LOCKED
}

/** What a fault of SQLite means to a task; anything else is answered as it is. */
export function classifySqliteError(error: unknown, path: string): unknown {
  const code = primaryCode(error)
  if (code === null) return error
  const reason = error instanceof Error ? error.message : 'unknown'
  const say = (what: string) => `${what}: ${path} (SQLite: ${reason})`
  if (code === BUSY || code === LOCKED) {
    return new RetryableError(say('other processes kept the vector store locked'), {
      code: 'STORE_BUSY',
      cause: error,
    })
  }
  if (code === FULL) {
    return new RetryableError(
      say('the disk of the vector store is full; free some of it, and the task goes on'),
      {
        code: 'STORE_FULL',
        delayMs: 60_000,
        cause: error,
      },
    )
  }
  if (code === CORRUPT || code === NOTADB) {
    return new NonRetryableError(
      say('the vector store is damaged or not a SQLite file; restore it, or index again'),
      {
        code: 'STORE_CORRUPT',
        cause: error,
      },
    )
  }
  if (UNUSABLE.includes(code)) return unusableFile(path, error)
  return new RetryableError(say('the vector store cannot be used now'), {
    code: 'STORE_UNAVAILABLE',
    cause: error,
  })
}

/** Retryable: a disk that was mounted again without the right to write is mended by people, and the tasks go on. */
export function unusableFile(path: string, cause: unknown): RetryableError {
  const name = basename(path)
  const reason = cause instanceof Error ? cause.message : String(cause)
  return new RetryableError(
    `the vector store ${path} cannot be used: expected a file that can be read and written, in a folder in which ${name}-wal and ${name}-shm can be made, ` +
      `got ${whatIsThere(path)} (${reason}). Give this process the rights, or set store.path`,
    { code: 'STORE_UNAVAILABLE', cause },
  )
}

function whatIsThere(path: string): string {
  const folder = refusal(`${dirname(path)}/.`, constants.W_OK | constants.X_OK)
  if (folder !== null) return `no folder that can be written (${folder})`
  const file = refusal(path, constants.R_OK | constants.W_OK)
  if (file === null) return statSync(path).isDirectory() ? 'a folder' : 'a fault of another kind'
  return file === 'ENOENT' ? 'no file' : `a file that cannot be read or written (${file})`
}

/** null: it may be done. */
function refusal(path: string, mode: number): string | null {
  try {
    accessSync(path, mode)
    return null
  } catch (error) {
    return error instanceof Error && 'code' in error ? String(error.code) : String(error)
  }
}
