import type { DatabaseSync } from 'node:sqlite'
import { NonRetryableError } from '@mcp-worker/runtime'
import type { Hit, SearchQuestion } from '../store.js'
import { createTopDocuments, type TopDocument, type TopDocuments } from '../top-documents.js'
import { dotRow } from '../vector.js'
import { collectionNotFound } from './build.js'
import { filterCondition } from './filter.js'
import { bytesIn, numberIn, readKeys, textIn, textOrNullIn } from './rows.js'
import { type CollectionState, createVectorCache, type Matrix } from './vector-cache.js'

/** Exact search: every vector of the collection is compared. Runs within a read transaction. */
export function createSearch(db: DatabaseSync, maxCacheBytes: number) {
  const cache = createVectorCache(db, maxCacheBytes)
  return (question: SearchQuestion): readonly Hit[] => {
    const state = stateOf(db, question)
    const wanted = question.filter === null ? null : matchingDocuments(db, state, question.filter)
    const top = createTopDocuments(question.k)
    const matrix = cache.load(state)
    if (matrix === null) scanFile(db, state, { question, wanted, top })
    else scanMatrix(matrix, { question, wanted, top })
    return fetchHits(db, top.list())
  }
}

interface Scan {
  readonly question: SearchQuestion
  /** Document keys; null: all. */
  readonly wanted: ReadonlySet<number> | null
  readonly top: TopDocuments
}

function stateOf(db: DatabaseSync, { collection, vector }: SearchQuestion): CollectionState {
  const row = db
    .prepare(
      `SELECT k.key AS collection, k.revision, g.key AS generation, g.dim, g.chunks, g.removals
       FROM collections k JOIN generations g ON g.collection = k.key WHERE k.name = ? AND g.state = 'current'`,
    )
    .get(collection)
  if (row === undefined) throw collectionNotFound(collection)
  const dim = numberIn(row, 'dim')
  if (dim !== vector.length) {
    throw new NonRetryableError(
      `collection "${collection}" has vectors of ${dim} components, the question has ${vector.length}`,
      { code: 'DIM_MISMATCH' },
    )
  }
  return {
    collection: numberIn(row, 'collection'),
    revision: numberIn(row, 'revision'),
    generation: numberIn(row, 'generation'),
    dim,
    chunks: numberIn(row, 'chunks'),
    removals: numberIn(row, 'removals'),
  }
}

function matchingDocuments(
  db: DatabaseSync,
  { generation }: CollectionState,
  filter: NonNullable<SearchQuestion['filter']>,
): ReadonlySet<number> {
  const { sql, values } = filterCondition(filter)
  return new Set(
    readKeys(db, `SELECT d.key FROM documents d WHERE d.generation = ? AND ${sql}`, [generation, ...values]),
  )
}

function scanMatrix({ rows, vectors, documents, chunks }: Matrix, { question, wanted, top }: Scan): void {
  for (let row = 0; row < rows; row++) {
    const document = documents[row] ?? -1
    if (wanted !== null && !wanted.has(document)) continue
    top.offer(document, chunks[row] ?? -1, dotRow(vectors, row, question.vector))
  }
}

/** For a collection larger than the memory allowed: one row at a time. */
function scanFile(
  db: DatabaseSync,
  { generation, dim }: CollectionState,
  { question, wanted, top }: Scan,
): void {
  const rows = db.prepare(
    `SELECT key, document, vector FROM chunks WHERE generation = ? ORDER BY document, ordinal`,
  )
  const vector = new Float32Array(dim)
  const bytes = new Uint8Array(vector.buffer)
  for (const row of rows.iterate(generation)) {
    const document = numberIn(row, 'document')
    if (wanted !== null && !wanted.has(document)) continue
    bytes.set(bytesIn(row, 'vector'))
    top.offer(document, numberIn(row, 'key'), dotRow(vector, 0, question.vector))
  }
}

function fetchHits(db: DatabaseSync, top: readonly TopDocument[]): readonly Hit[] {
  const one = db.prepare(
    'SELECT d.id, d.metadata, c.text FROM chunks c JOIN documents d ON d.key = c.document WHERE c.key = ?',
  )
  return top.map(({ chunk, score }) => {
    const row = one.get(chunk) ?? {}
    return {
      id: textIn(row, 'id'),
      score,
      text: textOrNullIn(row, 'text'),
      metadata: textIn(row, 'metadata'),
    }
  })
}
