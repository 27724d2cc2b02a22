import { randomBytes } from 'node:crypto'
import { findPostgres, type PostgresServer } from '@mcp-worker/test-servers'
import { Client } from 'pg'
import { afterAll, onTestFinished } from 'vitest'
import { openPgvectorStore as openSource } from '../../src/pgvector/store.js'
import type { VectorStore } from '../../src/store.js'

type Options = Partial<Parameters<typeof openSource>[0]>

export interface Database {
  readonly server: PostgresServer
  /** A store in a new schema; `again` opens another one on the same. */
  readonly openPlace: (options?: Options) => Promise<{
    readonly store: VectorStore
    readonly again: () => Promise<VectorStore>
    readonly schema: string
  }>
  /** Closed after the test. */
  readonly open: (options: Options) => Promise<VectorStore>
  /** A connection of the test's own. */
  readonly client: () => Promise<Client>
}

/** For one test file; null where there is no server, and then all of it is skipped. Tests of what is built give its own `openPgvectorStore`. */
export async function openDatabase(openPgvectorStore = openSource): Promise<Database | null> {
  const server = await findPostgres({
    tests: 'the engine pgvector',
    extension: { name: 'vector', remedy: 'run scripts/install-pgvector.sh' },
  })
  if (server === null) return null
  afterAll(() => server.stop())
  const client = async () => {
    const connection = new Client({ connectionString: server.url })
    connection.on('error', () => {})
    await connection.connect()
    onTestFinished(() => connection.end().catch(() => {}))
    return connection
  }
  const open = async (options: Options) => {
    const store = await openPgvectorStore({ url: server.url, ...options })
    onTestFinished(() => store.close())
    return store
  }
  return {
    server,
    client,
    open,
    openPlace: async (options = {}) => {
      const schema = `test_${randomBytes(6).toString('hex')}`
      onTestFinished(() => dropSchema(server.url, schema))
      const store = await open({ schema, ...options })
      return { store, schema, again: () => open({ schema, ...options }) }
    },
  }
}

async function dropSchema(url: string, schema: string): Promise<void> {
  const connection = new Client({ connectionString: url })
  connection.on('error', () => {})
  try {
    await connection.connect()
    await connection.query(`DROP SCHEMA IF EXISTS ${schema} CASCADE`)
    await connection.end()
  } catch {
    // the test ended the server
  }
}
