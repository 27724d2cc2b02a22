import type { DatabaseSync } from 'node:sqlite'
import { NonRetryableError } from '@mcp-worker/runtime'
import { filterCondition } from './filter.js'
import { readKeys } from './keys.js'
import type { Hit, SearchQuestion } from '../store.js'
import { createTopDocuments, type TopDocument, type TopDocuments } from '../top-documents.js'
import { dotRow } from '../vector.js'
import { type CollectionState, createVectorCache, type Matrix } from './vector-cache.js'

/** Exact search: every vector of the collection is compared. Runs within a read transaction. */
export function createSqliteSearch(db: DatabaseSync, maxCacheBytes: number) {
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
  const state = db.prepare('SELECT * FROM collections WHERE name = ?').get(collection)
  if (state === undefined) {
    throw new NonRetryableError(`there is no collection "${collection}": index documents into it first`, {
      code: 'COLLECTION_NOT_FOUND',
    })
  }
  if (state['dim'] !== vector.length) {
    throw new NonRetryableError(
      `collection "${collection}" has vectors of ${String(state['dim'])} components, the question has ${vector.length}`,
      { code: 'DIM_MISMATCH' },
    )
  }
  return state as unknown as CollectionState
}

function matchingDocuments(
  db: DatabaseSync,
  { key }: CollectionState,
  filter: NonNullable<SearchQuestion['filter']>,
): ReadonlySet<number> {
  const { sql, values } = filterCondition(filter)
  return new Set(
    readKeys(db, `SELECT d.key FROM documents d WHERE d.collection = ? AND ${sql}`, [key, ...values]),
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
  { key, generation, dim }: CollectionState,
  { question, wanted, top }: Scan,
): void {
  const rows = db.prepare(
    `SELECT key, document, vector FROM chunks WHERE collection = ? AND generation = ? ORDER BY document, ordinal`,
  )
  const vector = new Float32Array(dim)
  const bytes = new Uint8Array(vector.buffer)
  for (const row of rows.iterate(key, generation)) {
    const document = row['document'] as number
    if (wanted !== null && !wanted.has(document)) continue
    bytes.set(row['vector'] as Uint8Array)
    top.offer(document, row['key'] as number, dotRow(vector, 0, question.vector))
  }
}

function fetchHits(db: DatabaseSync, top: readonly TopDocument[]): readonly Hit[] {
  const one = db.prepare(
    'SELECT d.id, d.metadata, c.text FROM chunks c JOIN documents d ON d.key = c.document WHERE c.key = ?',
  )
  return top.map(({ chunk, score }) => {
    const row = one.get(chunk)
    return {
      id: row?.['id'] as string,
      score,
      text: row?.['text'] as string | null,
      metadata: row?.['metadata'] as string,
    }
  })
}
