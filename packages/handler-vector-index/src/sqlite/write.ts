import type { DatabaseSync } from 'node:sqlite'
import type { BatchWrite, ChunkWrite, DocumentWrite, WriteAnswer } from '../store.js'
import { toBlob } from '../vector.js'

interface CollectionRow {
  readonly key: number
  readonly dim: number
  readonly embedder: string
  readonly generation: number
  readonly revision: number
}

/** Counts of one batch, added to the collection's row at its end. */
interface Changes {
  documents: number
  chunks: number
  removals: number
}

/** The body of the write transaction. */
export function createSqliteWrite(db: DatabaseSync): (batch: BatchWrite) => WriteAnswer {
  const statements = prepareStatements(db)
  return (batch) => {
    const collection = openCollection(db, batch)
    if (collection === null) return { stale: new Set(batch.documents.map(({ id }) => id)) }
    const stale = new Set<string>()
    const changes: Changes = { documents: 0, chunks: 0, removals: 0 }
    let { revision } = collection
    for (const document of batch.documents) {
      const stored = statements.find.get(collection.key, document.id) as
        | { key: number; revision: number }
        | undefined
      if ((stored?.revision ?? null) !== document.seen) {
        stale.add(document.id)
        continue
      }
      revision++
      if (document.chunks === null) statements.touch(document, stored?.key ?? -1, revision)
      else
        writeContent(statements, { collection, document, chunks: document.chunks, stored, revision }, changes)
    }
    statements.count.run(changes.documents, changes.chunks, changes.removals, revision, collection.key)
    return { stale }
  }
}

/** Makes the collection at its first write; null where its vectors are not comparable with the batch's. */
function openCollection(db: DatabaseSync, { collection, embedder, dim }: BatchWrite): CollectionRow | null {
  const find = db.prepare('SELECT key, dim, embedder, generation, revision FROM collections WHERE name = ?')
  const row = find.get(collection) as unknown as CollectionRow | undefined
  if (row !== undefined) return row.embedder === embedder && row.dim === dim ? row : null
  db.prepare(
    `INSERT INTO collections (name, dim, embedder, generation, documents, chunks, revision, removals)
     VALUES (?, ?, ?, 1, 0, 0, 0, 0)`,
  ).run(collection, dim, embedder)
  return find.get(collection) as unknown as CollectionRow
}

interface ContentWrite {
  readonly collection: CollectionRow
  readonly document: DocumentWrite
  readonly chunks: readonly ChunkWrite[]
  readonly stored: { readonly key: number } | undefined
  readonly revision: number
}

/** Removes what is stored and inserts anew: a document with new content gets a new key, larger than all before it. */
function writeContent(statements: Statements, write: ContentWrite, changes: Changes): void {
  const { collection, document, chunks, stored, revision } = write
  if (stored !== undefined) {
    changes.documents--
    changes.removals++
    changes.chunks -= Number(
      statements.dropChunks.run(collection.key, collection.generation, stored.key).changes,
    )
    statements.dropDocument.run(stored.key)
  }
  const key = statements.insertDocument(collection.key, document, revision)
  chunks.forEach(({ text, vector }, ordinal) => {
    statements.insertChunk.run(collection.key, collection.generation, key, ordinal, text, toBlob(vector))
  })
  changes.documents++
  changes.chunks += chunks.length
}

type Statements = ReturnType<typeof prepareStatements>

function prepareStatements(db: DatabaseSync) {
  const insert = db.prepare(
    `INSERT INTO documents (collection, id, source_id, version, revision, content_hash, metadata, updated_at)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
  )
  const touch = db.prepare(
    'UPDATE documents SET source_id = ?, version = ?, revision = ?, metadata = ?, updated_at = ? WHERE key = ?',
  )
  return {
    find: db.prepare('SELECT key, revision FROM documents WHERE collection = ? AND id = ?'),
    dropChunks: db.prepare('DELETE FROM chunks WHERE collection = ? AND generation = ? AND document = ?'),
    dropDocument: db.prepare('DELETE FROM documents WHERE key = ?'),
    insertChunk: db.prepare(
      'INSERT INTO chunks (collection, generation, document, ordinal, text, vector) VALUES (?, ?, ?, ?, ?, ?)',
    ),
    count: db.prepare(
      `UPDATE collections SET documents = documents + ?, chunks = chunks + ?, removals = removals + ?, revision = ?
       WHERE key = ?`,
    ),
    insertDocument(collection: number, document: DocumentWrite, revision: number): number {
      const { id, sourceId, version, contentHash, metadata } = document
      const { lastInsertRowid } = insert.run(
        collection,
        id,
        sourceId,
        version,
        revision,
        contentHash,
        metadata,
        Date.now(),
      )
      return Number(lastInsertRowid)
    },
    touch({ sourceId, version, metadata }: DocumentWrite, key: number, revision: number): void {
      touch.run(sourceId, version, revision, metadata, Date.now(), key)
    },
  }
}
