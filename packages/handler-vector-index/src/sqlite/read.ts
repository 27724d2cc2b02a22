import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { crc32 } from 'node:zlib'
import type { Chunk, DocumentContent, DocumentPage, ListQuestion, StoredDocument } from '../store.js'
import type { Condition } from './filter.js'
import type { Generation, Generations } from './generations.js'
import { oneOf } from './remove.js'
import { bytesIn, numberIn, numberOrNullIn, type Row, textIn, textOrNullIn } from './rows.js'

/** The bodies of the read transactions that look documents up. */
export function createRead(db: DatabaseSync, generations: Generations) {
  const one = db.prepare('SELECT * FROM documents WHERE generation = ? AND id = ?')
  const chunks = db.prepare(
    'SELECT ordinal, text, vector, checksum FROM chunks WHERE generation = ? AND document = ? ORDER BY ordinal',
  )
  return {
    lookup: (collection: string, ids: readonly string[]) =>
      mapDocuments(one, generations.current(collection), ids, storedOf),
    read: (collection: string, ids: readonly string[]) =>
      mapDocuments(one, generations.current(collection), ids, (row) => contentOf(row, chunks)),
    list(question: ListQuestion): DocumentPage {
      const generation = generations.current(question.collection)
      if (generation === null) return { documents: [], next: null }
      const building = question.missingFrom === undefined ? null : generations.building(question.collection)
      return listPage(db, { question, generation, building })
    },
  }
}

function mapDocuments<T>(
  one: StatementSync,
  generation: Generation | null,
  ids: readonly string[],
  use: (row: Row) => T,
): ReadonlyMap<string, T> {
  const found = new Map<string, T>()
  if (generation === null) return found
  for (const id of ids) {
    const row = one.get(generation.key, id)
    if (row !== undefined) found.set(id, use(row))
  }
  return found
}

function storedOf(row: Row): StoredDocument {
  return {
    revision: numberIn(row, 'revision'),
    sourceId: textOrNullIn(row, 'source_id'),
    version: numberOrNullIn(row, 'version'),
    contentHash: textIn(row, 'content_hash'),
    metadata: textIn(row, 'metadata'),
  }
}

function contentOf(row: Row, chunkRows: StatementSync): DocumentContent {
  const chunks: Chunk[] = []
  let intact = true
  for (const chunk of chunkRows.iterate(numberIn(row, 'generation'), numberIn(row, 'key'))) {
    const blob = bytesIn(chunk, 'vector')
    intact &&= crc32(blob) === numberIn(chunk, 'checksum') && numberIn(chunk, 'ordinal') === chunks.length
    chunks.push({ text: textOrNullIn(chunk, 'text'), vector: fromBlob(blob) })
  }
  intact &&= numberIn(row, 'chunks') === chunks.length
  return { ...storedOf(row), joints: textOrNullIn(row, 'joints'), intact, chunks }
}

/** A copy, since the bytes need not begin at a multiple of four; empty where their number is none of four either. */
function fromBlob(blob: Uint8Array): Float32Array {
  return blob.length % 4 === 0 ? new Float32Array(blob.slice().buffer) : new Float32Array(0)
}

interface Listing {
  readonly question: ListQuestion
  readonly generation: Generation
  readonly building: Generation | null
}

/** In the order of ids, which is that of the index (generation, id). */
function listPage(db: DatabaseSync, { question, generation, building }: Listing): DocumentPage {
  const { after, limit, sourceIds } = question
  const conditions: Condition[] = [{ sql: 'd.generation = ?', values: [generation.key] }]
  if (after !== null) conditions.push({ sql: 'd.id > ?', values: [after] })
  if (sourceIds !== undefined) conditions.push(oneOf('d.source_id', sourceIds))
  // another generation than the one that is being built has no copy of anything
  if (building !== null && building.number === question.missingFrom) {
    const copy = 'NOT EXISTS (SELECT 1 FROM documents b WHERE b.generation = ? AND b.id = d.id)'
    conditions.push({ sql: copy, values: [building.key] })
  }
  const rows = db
    .prepare(
      `SELECT d.id, d.source_id, d.revision, d.content_hash, d.chunks FROM documents d
       WHERE ${conditions.map(({ sql }) => sql).join(' AND ')} ORDER BY d.id LIMIT ?`,
    )
    .all(...conditions.flatMap(({ values }) => values), limit)
  const documents = rows.map((row) => ({
    id: textIn(row, 'id'),
    sourceId: textOrNullIn(row, 'source_id'),
    revision: numberIn(row, 'revision'),
    contentHash: textIn(row, 'content_hash'),
    chunks: numberIn(row, 'chunks'),
  }))
  return { documents, next: documents.length < limit ? null : (documents.at(-1)?.id ?? null) }
}
