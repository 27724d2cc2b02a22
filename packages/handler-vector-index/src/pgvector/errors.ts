import { NonRetryableError, RetryableError } from '@mcp-worker/runtime'

/** SQLSTATE, https://www.postgresql.org/docs/current/errcodes-appendix.html; null: the fault is not the server's word. */
export function sqlState(error: unknown): string | null {
  if (typeof error !== 'object' || error === null || !('code' in error)) return null
  // each has a digit, which names of the system (EPIPE) have not
  return typeof error.code === 'string' && /^(?=.*\d)[0-9A-Z]{5}$/.test(error.code) ? error.code : null
}

/** Two transactions met; the loser starts again and nobody hears of it. Unique violations: both made the same row, the second finds it made. */
const CONFLICTS = new Set(['40001', '40P01', '23505'])

export function isConflict(error: unknown): boolean {
  return CONFLICTS.has(sqlState(error) ?? '')
}

/** No word of the server, or its last one (57P01: it is shut down, or was told to close the connection). */
export function isConnectionLost(error: unknown): boolean {
  const state = sqlState(error)
  return state === null || state.startsWith('08') || state.startsWith('57P')
}

/** A table that was there when the transaction began is gone: what it read was purged meanwhile. */
export function isPurged(error: unknown): boolean {
  return sqlState(error) === '42P01'
}

/** The connection can be used again: the server refused a statement, or this package refused what it found. */
export function leavesConnection(error: unknown): boolean {
  return sqlState(error) !== null || isOwn(error)
}

function isOwn(error: unknown): boolean {
  return error instanceof RetryableError || error instanceof NonRetryableError
}

type Kind = 'BUSY' | 'FULL' | 'REFUSED' | 'CORRUPT' | 'UNAVAILABLE'

/** By SQLSTATE, the longest prefix first. */
const KINDS: readonly (readonly [string, Kind])[] = [
  ['53100', 'FULL'],
  ['55P03', 'BUSY'],
  ['XX001', 'CORRUPT'],
  ['XX002', 'CORRUPT'],
  ['58P01', 'REFUSED'], // a library of the extension is missing
  ['22', 'REFUSED'],
  ['28', 'REFUSED'],
  ['3D', 'REFUSED'],
  ['40', 'BUSY'],
  ['42', 'REFUSED'],
  ['0A', 'REFUSED'],
  ['54', 'REFUSED'],
]

const SAID: Readonly<Record<Kind, string>> = {
  BUSY: 'other transactions kept the vector store locked',
  FULL: 'the disk of the vector store is full',
  REFUSED: 'PostgreSQL refused; check the url, the rights and the extension pgvector',
  CORRUPT: 'the vector store is damaged; restore it, or index again',
  UNAVAILABLE: 'the vector store cannot be reached, or broke off',
}

/** What a fault of PostgreSQL or of the way to it means to a task; errors of our own are answered as they are. */
export function classifyPostgresError(error: unknown): unknown {
  if (isOwn(error) || !(error instanceof Error)) return error
  if (error instanceof TypeError || error instanceof RangeError) return error
  const state = sqlState(error)
  const kind = KINDS.find(([prefix]) => state?.startsWith(prefix))?.[1] ?? 'UNAVAILABLE'
  const code = `STORE_${kind}`
  const message = `${SAID[kind]} (PostgreSQL${state === null ? '' : ` ${state}`}: ${error.message})`
  if (kind === 'REFUSED' || kind === 'CORRUPT') return new NonRetryableError(message, { code, cause: error })
  return new RetryableError(message, { code, cause: error, ...(kind === 'FULL' && { delayMs: 60_000 }) })
}
