import type { VectorStore } from '../store.js'
import { createBuild } from './build.js'
import { openSqliteConnection, type SqliteConnection } from './connection.js'
import { createDocumentRows } from './document-rows.js'
import { createGenerations } from './generations.js'
import { inspectFile } from './inspect.js'
import { createMarks } from './marks.js'
import { createRead } from './read.js'
import { createRemove } from './remove.js'
import { createSearch } from './search.js'
import { createPurge, optimizeSlice, sizeOf } from './upkeep.js'
import { createWrite } from './write.js'

export interface SqliteStoreOptions {
  readonly path: string
  /** How long a write waits for other writers. Default 30 s. */
  readonly busyTimeoutMs?: number
  /** Vectors kept in memory for searches, in MiB. Default 512. */
  readonly searchMemoryMb?: number
}

export const SQLITE_CAPABILITIES = {
  engine: 'sqlite',
  search: 'exact',
  transaction: 'batch',
  staleness: 'certain',
  marks: true,
  bareDocuments: true,
  exactVectors: true,
} as const satisfies VectorStore['capabilities']

/** The default engine: one SQLite file (docs/store.md), shared by any number of threads and processes of one host, each with a store of its own. */
export async function openSqliteStore({
  path,
  busyTimeoutMs = 30_000,
  searchMemoryMb = 512,
}: SqliteStoreOptions): Promise<VectorStore> {
  return createSqliteStore(await openSqliteConnection(path, busyTimeoutMs), { path, searchMemoryMb })
}

export function createSqliteStore(
  connection: SqliteConnection,
  { path, searchMemoryMb }: Required<Pick<SqliteStoreOptions, 'path' | 'searchMemoryMb'>>,
): VectorStore {
  const { db, read, write, exclusive } = connection
  const generations = createGenerations(db)
  const rows = createDocumentRows(db)
  const tables = { generations, rows }
  const reading = createRead(db, generations)
  const removal = createRemove(db, tables)
  const building = createBuild(db, tables)
  const search = createSearch(db, searchMemoryMb * 1024 * 1024)
  const marks = createMarks(db)
  const writeBatch = createWrite(tables)
  const purge = createPurge(db)
  return {
    capabilities: SQLITE_CAPABILITIES,
    collections: () => read(() => generations.list()),
    describe: (collection) => read(() => generations.describe(collection)),
    lookup: (collection, ids) => read(() => reading.lookup(collection, ids)),
    read: (collection, ids) => read(() => reading.read(collection, ids)),
    list: (question) => read(() => reading.list(question)),
    search: (question) => read(() => search(question)),
    write: (batch, { signal, mark }) => write(() => marks.put(mark, writeBatch(batch)), signal),
    remove: (target, limit, { signal, mark }) =>
      write(() => marks.put(mark, removal.remove(target, limit)), signal),
    countTargets: (target) => read(() => removal.count(target)),
    drop: (collection, { signal, mark }) => write(() => marks.put(mark, removal.drop(collection)), signal),
    readMark: (task) => read(() => marks.read(task)),
    dropMark: (task) => write(() => marks.drop(task)),
    build: (spec, { signal }) => write(() => building.build(spec), signal),
    writeBuild: (batch, { signal }) => write(() => building.write(batch), signal),
    promote: (collection, generation, { signal }) =>
      write(() => building.promote(collection, generation), signal),
    purge: (limit, { signal }) => write(() => purge(limit), signal),
    optimize: ({ signal }) => exclusive(() => optimizeSlice(db), signal),
    size: () => sizeOf(path),
    inspect: (collection, { signal }) => inspectFile(connection, { generations, collection, signal }),
    sampleRecall: async () => null,
    ping: (signal) => write(() => undefined, signal),
    close: async () => connection.close(),
  }
}
