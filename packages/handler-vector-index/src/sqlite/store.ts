import type { DatabaseSync } from 'node:sqlite'
import { openSqliteConnection } from './connection.js'
import { createSqliteRemove } from './remove.js'
import { createSqliteSearch } from './search.js'
import { createSqliteWrite } from './write.js'
import type { CollectionInfo, StoredDocument, VectorStore } from '../store.js'

export interface SqliteStoreOptions {
  readonly path: string
  /** How long a write waits for other writers. Default 30 s. */
  readonly busyTimeoutMs?: number
  /** Vectors kept in memory for searches, in MiB. Default 512. */
  readonly searchMemoryMb?: number
}

/** The default engine: one SQLite file (docs/store.md), shared by any number of threads and processes of one host, each with a store of its own. */
export async function openSqliteStore({
  path,
  busyTimeoutMs = 30_000,
  searchMemoryMb = 512,
}: SqliteStoreOptions): Promise<VectorStore> {
  const connection = await openSqliteConnection(path, busyTimeoutMs)
  const { db, read, write } = connection
  const writeBatch = createSqliteWrite(db)
  const removal = createSqliteRemove(db)
  const search = createSqliteSearch(db, searchMemoryMb * 1024 * 1024)
  return {
    collections: () => read(() => listCollections(db)),
    describe: (collection) => read(() => describeCollection(db, collection)),
    lookup: (collection, ids) => read(() => lookup(db, collection, ids)),
    write: (batch, signal) => write(() => writeBatch(batch), signal),
    remove: (target, limit, signal) => write(() => removal.remove(target, limit), signal),
    countTargets: (target) => read(() => removal.count(target)),
    search: (question) => read(() => search(question)),
    ping: () => write(() => undefined),
    close: connection.close,
  }
}

const COLLECTION = 'SELECT name, dim, embedder, generation, documents AS count, chunks FROM collections'

function listCollections(db: DatabaseSync): readonly CollectionInfo[] {
  return db.prepare(`${COLLECTION} ORDER BY name`).all() as unknown as readonly CollectionInfo[]
}

function describeCollection(db: DatabaseSync, name: string): CollectionInfo | null {
  return (
    (db.prepare(`${COLLECTION} WHERE name = ?`).get(name) as unknown as CollectionInfo | undefined) ?? null
  )
}

function lookup(
  db: DatabaseSync,
  collection: string,
  ids: readonly string[],
): ReadonlyMap<string, StoredDocument> {
  const one = db.prepare(
    `SELECT d.revision, d.source_id AS sourceId, d.version, d.content_hash AS contentHash, d.metadata
     FROM documents d JOIN collections k ON k.key = d.collection WHERE k.name = ? AND d.id = ?`,
  )
  const found = new Map<string, StoredDocument>()
  for (const id of ids) {
    const row = one.get(collection, id)
    if (row !== undefined) found.set(id, row as unknown as StoredDocument)
  }
  return found
}
