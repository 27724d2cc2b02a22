import { NonRetryableError, RetryableError } from '@mcp-worker/runtime'

/** Primary result codes of SQLite, https://www.sqlite.org/rescode.html */
const BUSY = 5
const LOCKED = 6
const FULL = 13
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
    return new RetryableError(say('the disk of the vector store is full'), {
      code: 'STORE_FULL',
      delayMs: 60_000,
      cause: error,
    })
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
  return new RetryableError(say('the vector store cannot be used now'), {
    code: 'STORE_UNAVAILABLE',
    cause: error,
  })
}
