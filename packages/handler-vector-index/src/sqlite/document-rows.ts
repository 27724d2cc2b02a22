import type { DatabaseSync } from 'node:sqlite'
import { crc32 } from 'node:zlib'
import type { NewContent, StoredDocument } from '../store.js'
import { toBlob } from '../vector.js'
import type { Counts } from './generations.js'
import { numberIn } from './rows.js'

export type DocumentFields = Omit<StoredDocument, 'contentHash'> & { readonly id: string }

export type DocumentRows = ReturnType<typeof createDocumentRows>

/** Rows of `documents` and `chunks`, written together. Every call runs within a write transaction of its caller. */
export function createDocumentRows(db: DatabaseSync) {
  const { find, insert, touch, insertChunk, dropDocument, dropChunks } = prepareStatements(db)

  function drop(generation: number, key: number, counts: Counts): void {
    dropDocument.run(key)
    counts.chunks -= Number(dropChunks.run(generation, key).changes)
    counts.documents--
    counts.removals++
  }
  return {
    find(generation: number, id: string): { readonly key: number; readonly revision: number } | null {
      const row = find.get(generation, id)
      return row === undefined ? null : { key: numberIn(row, 'key'), revision: numberIn(row, 'revision') }
    },
    drop,
    /** Also where there is none. */
    dropById(generation: number, id: string, counts: Counts): void {
      const row = find.get(generation, id)
      if (row !== undefined) drop(generation, numberIn(row, 'key'), counts)
    },
    /** A new key, larger than all before it. */
    insert(generation: number, fields: DocumentFields, content: NewContent, counts: Counts): void {
      const { id, sourceId, version, revision, metadata } = fields
      const { contentHash, joints, chunks } = content
      const named = [generation, id, sourceId, version, revision]
      const held = [contentHash, joints, chunks.length, metadata, Date.now()]
      const { lastInsertRowid: key } = insert.run(...named, ...held)
      chunks.forEach(({ text, vector }, ordinal) => {
        const blob = toBlob(vector)
        insertChunk.run(generation, key, ordinal, text, blob, crc32(blob))
      })
      counts.documents++
      counts.chunks += chunks.length
    },
    touch(key: number, { sourceId, version, revision, metadata }: Omit<DocumentFields, 'id'>): void {
      touch.run(sourceId, version, revision, metadata, Date.now(), key)
    },
  }
}

function prepareStatements(db: DatabaseSync) {
  return {
    find: db.prepare('SELECT key, revision, chunks FROM documents WHERE generation = ? AND id = ?'),
    insert: db.prepare(
      `INSERT INTO documents (generation, id, source_id, version, revision, content_hash, joints, chunks, metadata, updated_at)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    ),
    touch: db.prepare(
      'UPDATE documents SET source_id = ?, version = ?, revision = ?, metadata = ?, updated_at = ? WHERE key = ?',
    ),
    insertChunk: db.prepare(
      'INSERT INTO chunks (generation, document, ordinal, text, vector, checksum) VALUES (?, ?, ?, ?, ?, ?)',
    ),
    dropDocument: db.prepare('DELETE FROM documents WHERE key = ?'),
    dropChunks: db.prepare('DELETE FROM chunks WHERE generation = ? AND document = ?'),
  }
}
