import type { Client } from 'pg'
import { systemCode } from '../files/folder.js'
import { fault } from '../fault.js'
import type { PostgresDatabase } from '../options.js'

/** https://www.postgresql.org/docs/current/errcodes-appendix.html */
const RULE_CODES = new Set(['42P01', '42703', '42601', '42883', '42804', '22P02', '3F000', '42809'])

/** `pg` is an optional peer: it is loaded when a target needs it. */
async function loadPg(): Promise<typeof import('pg')> {
  try {
    return await import('pg')
  } catch (error) {
    throw fault('PG_MISSING', 'PostgreSQL targets need the package pg', error)
  }
}

/** A connection for one run. Throws `DATABASE_MISSING`, `PG_MISSING` or the retryable `DATABASE_UNAVAILABLE`. */
export async function connectPostgres(spec: PostgresDatabase): Promise<Client> {
  const url = process.env[spec.urlEnv]
  if (url === undefined || url === '')
    throw fault('DATABASE_MISSING', `${spec.name}: expected the variable ${spec.urlEnv} to hold postgres://…`)
  const { default: pg } = await loadPg()
  const client = new pg.Client({
    connectionString: url,
    application_name: 'mcp-worker data_cleanup',
    connectionTimeoutMillis: 10_000,
    keepAlive: true,
  })
  // a connection that breaks also rejects the query under way; without a listener it would end the process
  client.on('error', () => {})
  try {
    await client.connect()
    await client.query("SET lock_timeout = '2s'; SET idle_in_transaction_session_timeout = '60s'")
    return client
  } catch (error) {
    await client.end().catch(() => {})
    throw postgresFault(error, spec)
  }
}

export function postgresFault(error: unknown, { name }: PostgresDatabase): unknown {
  const code = systemCode(error)
  if (!(error instanceof Error) || error.name === 'NonRetryableError' || error.name === 'RetryableError')
    return error
  const text = `${name}: ${error.message}`
  if (RULE_CODES.has(code)) return fault('DATABASE_RULE', text, error)
  return code === '55P03' || code === '40P01'
    ? fault('DATABASE_BUSY', text, error)
    : fault('DATABASE_UNAVAILABLE', text, error)
}

/** A query that an abort cancels in the server, from a second connection. */
export async function cancellable<T>(
  spec: PostgresDatabase,
  client: Client,
  signal: AbortSignal,
  work: () => Promise<T>,
): Promise<T> {
  signal.throwIfAborted()
  const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')
  const cancel = () => void cancelBackend(spec, rows[0]?.pid ?? 0)
  signal.addEventListener('abort', cancel, { once: true })
  try {
    return await work()
  } catch (error) {
    signal.throwIfAborted()
    throw error
  } finally {
    signal.removeEventListener('abort', cancel)
  }
}

async function cancelBackend(spec: PostgresDatabase, pid: number): Promise<void> {
  try {
    const second = await connectPostgres(spec)
    await second.query('SELECT pg_cancel_backend($1)', [pid])
    await second.end()
  } catch {
    // the server is gone, and its query with it
  }
}
