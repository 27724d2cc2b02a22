import { NonRetryableError } from '@mcp-worker/runtime'
import { orAbort } from '../or-abort.js'
import type { StoreCapabilities, VectorStore } from '../store.js'
import { openPgConnection, type PgConnection, type Sql } from './connection.js'
import { fromText } from './encoding.js'
import { beginBuild, dropCollection, promoteBuild, writeCopies } from './generations.js'
import { type PgvectorStoreInput, pgvectorStoreOptions, type PgvectorStoreOptions } from './options.js'
import { describeCollection, listCollections, listDocuments, lookup, readDocuments } from './read.js'
import { countTargets, removeDocuments } from './remove.js'
import { checkIndexSupport, prepareDatabase } from './schema.js'
import { searchDocuments } from './search.js'
import { createVacuum, inspectCollection, purgeWaste, sampleRecall, sizeOf } from './upkeep.js'
import { writeBatch } from './write.js'

/**
 * Vectors in PostgreSQL with pgvector, shared by any number of hosts. The server is first asked when something is to be done, so that a worker starts
 * while it is down. Throws `ENGINE_NOT_INSTALLED`.
 */
export async function openPgvectorStore(given: PgvectorStoreInput): Promise<VectorStore> {
  const options = pgvectorStoreOptions.parse({ ...given, engine: 'pgvector' })
  const indexed = options.index === 'hnsw'
  const { connection, read, write } = await openPrepared(options)
  const vacuum = createVacuum(connection, options.schema)
  return {
    capabilities: capabilitiesOf(options),
    collections: () => read(listCollections),
    describe: (collection) => read((sql) => describeCollection(sql, collection)),
    lookup: (collection, ids) => read((sql) => lookup(sql, collection, ids)),
    read: (collection, ids) => read((sql) => readDocuments(sql, collection, ids)),
    list: (question) => read((sql) => listDocuments(sql, question)),
    search: (question) => read((sql) => searchDocuments(sql, question, indexed)),

    write: (batch, { signal, mark }) => write((sql) => writeBatch(sql, batch, mark, indexed), signal),
    remove: (target, limit, { signal, mark }) =>
      write((sql) => removeDocuments(sql, target, limit, mark), signal),
    countTargets: (target) => read((sql) => countTargets(sql, target)),
    drop: (collection, { signal, mark }) => write((sql) => dropCollection(sql, collection, mark), signal),
    readMark: (task) => read((sql) => readMark(sql, task)),
    dropMark: (task) => write((sql) => dropMark(sql, task)),

    build: (spec, { signal }) => write((sql) => beginBuild(sql, spec, indexed), signal),
    writeBuild: (batch, { signal }) => write((sql) => writeCopies(sql, batch), signal),
    promote: (collection, generation, { signal }) =>
      write((sql) => promoteBuild(sql, collection, generation), signal),

    purge: (limit, { signal }) => write((sql) => purgeWaste(sql, limit), signal),
    optimize: ({ signal }) => vacuum(signal),
    size: () => read((sql) => sizeOf(sql, options.schema)),
    inspect: (collection, { signal }) => read((sql) => inspectCollection(sql, collection), signal),
    sampleRecall: (collection, sample, { signal }) =>
      indexed ? read((sql) => sampleRecall(sql, collection, sample), signal) : Promise.resolve(null),
    ping: (signal) => read(mustBeWritable, signal),
    close: () => connection.close(),
  }
}

function capabilitiesOf({ engine, index }: PgvectorStoreOptions): StoreCapabilities {
  return {
    engine,
    search: index === 'hnsw' ? 'approximate' : 'exact',
    transaction: 'batch',
    staleness: 'certain',
    marks: true,
    bareDocuments: true,
    exactVectors: true,
  }
}

/** The schema is made at the first call that gets through. */
async function openPrepared(options: PgvectorStoreOptions) {
  // until it is known in which schema the extension lives
  let path: readonly string[] = ['public']
  let preparing: Promise<void> | null = null
  const connection: PgConnection = await openPgConnection(options, () => path)
  const prepare = async (): Promise<void> => {
    const extension = await prepareDatabase(connection, options.schema)
    if (options.index === 'hnsw') checkIndexSupport(extension)
    path = [...new Set([options.schema, extension.schema])]
  }
  const ready = (): Promise<void> =>
    (preparing ??= prepare().catch((error: unknown) => {
      preparing = null
      throw error
    }))
  return {
    connection,
    read: async <T>(body: (sql: Sql) => Promise<T>, signal?: AbortSignal): Promise<T> => {
      await orAbort(ready(), signal)
      return connection.read(body, signal)
    },
    write: async <T>(body: (sql: Sql) => Promise<T>, signal?: AbortSignal): Promise<T> => {
      signal?.throwIfAborted()
      await orAbort(ready(), signal)
      return connection.write(body, signal)
    },
  }
}

async function readMark(sql: Sql, task: string): Promise<string | null> {
  const [row] = await sql.rows<{ value: string }>('SELECT value FROM marks WHERE task = $1', [task])
  return row === undefined ? null : fromText(row.value)
}

async function dropMark(sql: Sql, task: string): Promise<void> {
  await sql.run("DELETE FROM marks WHERE task = $1 OR written_at < now() - interval '30 days'", [task])
}

async function mustBeWritable(sql: Sql): Promise<void> {
  const [row] = await sql.rows<{ standby: boolean; readonly: string }>(
    `SELECT pg_is_in_recovery() AS standby, current_setting('default_transaction_read_only') AS readonly`,
  )
  if (row?.standby === false && row.readonly === 'off') return
  throw new NonRetryableError(
    'expected a PostgreSQL that can be written to, got a standby or a read-only one',
    {
      code: 'STORE_REFUSED',
    },
  )
}
