import type { Pool, PoolClient } from 'pg'
import { importPeer } from '../import-peer.js'
import { orAbort } from '../or-abort.js'
import { pause } from '../pause.js'
import { classifyPostgresError, isConflict, isConnectionLost, isPurged, leavesConnection } from './errors.js'
import type { PgvectorStoreOptions } from './options.js'

/** Statements of one transaction. Values are always parameters. */
export interface Sql {
  rows<Row>(text: string, values?: readonly unknown[]): Promise<readonly Row[]>
  /** How many rows it changed. */
  run(text: string, values?: readonly unknown[]): Promise<number>
}

export interface PgConnection {
  /** One snapshot for all statements. */
  read<T>(body: (sql: Sql) => Promise<T>, signal?: AbortSignal): Promise<T>
  /** Durable when it resolves. May run `body` more than once: a transaction that loses against another starts again. */
  write<T>(body: (sql: Sql) => Promise<T>, signal: AbortSignal | undefined): Promise<T>
  /** One statement that cannot be in a transaction (VACUUM). */
  alone(text: string, signal: AbortSignal): Promise<void>
  close(): Promise<void>
}

type ConnectionOptions = Pick<
  PgvectorStoreOptions,
  'url' | 'poolSize' | 'connectTimeoutMs' | 'requestTimeoutMs' | 'busyTimeoutMs'
>

/** A connection is made when it is needed. `path` are the schemas to look names up in, safe to be quoted. */
export async function openPgConnection(
  options: ConnectionOptions,
  path: () => readonly string[],
): Promise<PgConnection> {
  const pool = await openPool(options)
  const settings = () => [
    `SET LOCAL search_path TO ${path().map(quoteName).join(', ')}`,
    `SET LOCAL lock_timeout = ${options.busyTimeoutMs}`,
    `SET LOCAL statement_timeout = ${options.requestTimeoutMs}`,
    // the server looks up once a second whether somebody still waits for the answer; an abort closes the connection
    'SET LOCAL client_connection_check_interval = 1000',
  ]
  const reading = () => ['BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY', ...settings()].join('; ')
  const writing = () =>
    [
      'BEGIN ISOLATION LEVEL READ COMMITTED',
      ...settings(),
      "SELECT set_config('synchronous_commit', 'on', true) WHERE current_setting('synchronous_commit') = 'off'",
    ].join('; ')
  const run = <T>(begin: () => string, body: (sql: Sql) => Promise<T>, signal?: AbortSignal) =>
    untilWon(() => transaction(pool, begin(), body, signal), options.busyTimeoutMs, signal)
  return {
    read: (body, signal) => run(reading, body, signal),
    write: (body, signal) => run(writing, body, signal),
    alone: (text, signal) => untilWon(() => alone(pool, text, signal), 0, signal),
    close: () => pool.end(),
  }
}

/** By type: `bigint` as a number (keys and counts stay far below 2^53), `json` as its text. */
const PARSERS: Readonly<Record<number, (text: string) => unknown>> = { 20: Number, 114: (text) => text }

async function openPool({
  url,
  poolSize,
  connectTimeoutMs,
  requestTimeoutMs,
}: ConnectionOptions): Promise<Pool> {
  const pg = await importPeer('pgvector', 'pg', () => import('pg'))
  const pool = new pg.default.Pool({
    connectionString: url,
    max: poolSize,
    connectionTimeoutMillis: connectTimeoutMs,
    // statement_timeout is the server's; this one is for a server that does not answer at all
    query_timeout: requestTimeoutMs + 5000,
    keepAlive: true,
    application_name: 'mcp-worker vector index',
    types: { getTypeParser: (oid, format) => PARSERS[oid] ?? pg.default.types.getTypeParser(oid, format) },
  })
  // an idle connection broke: the pool has dropped it already
  pool.on('error', () => {})
  return pool
}

/** For names that the options' schema or this package made. */
export function quoteName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

/** Nobody sees a lost race before the time is up. The pauses are jittered, so that two do not meet again and again. */
async function untilWon<T>(
  attempt: () => Promise<T>,
  busyTimeoutMs: number,
  signal: AbortSignal | undefined,
): Promise<T> {
  const giveUpAt = performance.now() + busyTimeoutMs
  for (let failures = 0; ; failures++) {
    signal?.throwIfAborted()
    try {
      return await attempt()
    } catch (error) {
      signal?.throwIfAborted()
      const again =
        isConflict(error) || isPurged(error) || (failures < MAX_STALE && error instanceof StaleConnection)
      if (!again || performance.now() >= giveUpAt) {
        throw classifyPostgresError(error instanceof StaleConnection ? error.cause : error)
      }
    }
    await pause(1 + Math.random() * 20, signal)
  }
}

/** A connection from the pool broke before anything was asked of it: the server was started again, or closed it for its idleness. */
class StaleConnection extends Error {}

/** All of a pool may be. */
const MAX_STALE = 100

async function transaction<T>(
  pool: Pool,
  begin: string,
  body: (sql: Sql) => Promise<T>,
  signal: AbortSignal | undefined,
): Promise<T> {
  return withClient(pool, signal, async (client) => {
    await client.query(begin).catch((error: unknown) => {
      throw isConnectionLost(error)
        ? new StaleConnection('the connection was closed', { cause: error })
        : error
    })
    const answer = await body(sqlOf(client))
    await client.query('COMMIT')
    return answer
  })
}

async function alone(pool: Pool, text: string, signal: AbortSignal): Promise<void> {
  // the timeout of the pool is for statements of a task's size
  await withClient(pool, signal, (client) =>
    client.query({ text, query_timeout: 2 ** 31 - 1 } as { text: string }),
  )
}

/** Of a connection that broke: the next statement on it reports it. */
function ignore(): void {}

/** At the abort the connection is closed, and with it its transaction ends; else it goes back clean. */
async function withClient<T>(
  pool: Pool,
  signal: AbortSignal | undefined,
  work: (client: PoolClient) => Promise<T>,
): Promise<T> {
  const client = await orAbort(pool.connect(), signal, (late) => late.release(true))
  client.on('error', ignore)
  let clean = false
  try {
    const answer = await orAbort(work(client), signal)
    clean = true
    return answer
  } catch (error) {
    clean = signal?.aborted !== true && leavesConnection(error) && (await rolledBack(client))
    throw error
  } finally {
    client.off('error', ignore)
    if (!clean) client.on('error', ignore)
    client.release(!clean)
  }
}

async function rolledBack(client: PoolClient): Promise<boolean> {
  try {
    await client.query('ROLLBACK')
    return true
  } catch {
    return false
  }
}

function sqlOf(client: PoolClient): Sql {
  const query = (text: string, values: readonly unknown[] = []) => client.query(text, [...values])
  return {
    rows: async <Row>(text: string, values?: readonly unknown[]) => (await query(text, values)).rows as Row[],
    run: async (text, values) => (await query(text, values)).rowCount ?? 0,
  }
}
