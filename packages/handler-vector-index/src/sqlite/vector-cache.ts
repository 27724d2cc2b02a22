import type { DatabaseSync } from 'node:sqlite'
import { NonRetryableError } from '@mcp-worker/runtime'
import { bytesIn, numberIn, readKeys } from './rows.js'

/** The vectors of a collection as one row-major matrix, with the keys of its chunks and documents beside it. Rows are in the order of documents. */
export interface Matrix {
  readonly rows: number
  /** `rows` × dim floats, then unused room. */
  readonly vectors: Float32Array
  readonly chunks: Float64Array
  readonly documents: Float64Array
}

/** What says whether a kept matrix is still true. */
export interface CollectionState {
  /** Keys of `collections` and `generations`. */
  readonly collection: number
  readonly generation: number
  readonly dim: number
  readonly chunks: number
  readonly revision: number
  readonly removals: number
}

export interface VectorCache {
  /** Call it within the read transaction that `state` comes from. null: the collection does not fit in the memory allowed. */
  load(state: CollectionState): Matrix | null
}

type Kept = { -readonly [K in keyof Matrix]: Matrix[K] } & { state: CollectionState }

/**
 * Keeps matrices up to `maxBytes`, the least recently used one goes first. Document keys only ever grow, so what was written since the last
 * look has a larger key, and what was removed shows in `removals`: only the difference is read.
 */
export function createVectorCache(db: DatabaseSync, maxBytes: number): VectorCache {
  const kept = new Map<number, Kept>()
  return {
    load(state) {
      const old = kept.get(state.collection)
      kept.delete(state.collection)
      if (bytesOf(state.chunks, state.dim) > maxBytes) return null
      const usable = old !== undefined && old.state.generation === state.generation
      const matrix = usable ? old : emptyMatrix(state)
      if (!usable || matrix.state.revision !== state.revision) refresh(db, matrix, { state, maxBytes })
      kept.set(state.collection, matrix)
      evict(kept, state.collection, maxBytes)
      return matrix
    },
  }
}

function bytesOf(rows: number, dim: number): number {
  return rows * (dim * 4 + 16)
}

function emptyMatrix(state: CollectionState): Kept {
  const none = new Float64Array(0)
  return {
    rows: 0,
    vectors: new Float32Array(0),
    chunks: none,
    documents: none,
    state: { ...state, removals: -1 },
  }
}

interface Refresh {
  readonly state: CollectionState
  readonly maxBytes: number
}

function refresh(db: DatabaseSync, matrix: Kept, { state, maxBytes }: Refresh): void {
  if (matrix.rows > 0 && matrix.state.removals !== state.removals) dropRemoved(db, matrix, state)
  reserve(matrix, state, maxBytes)
  const last = matrix.documents[matrix.rows - 1] ?? -1
  const added = db.prepare(
    `SELECT key, document, vector FROM chunks WHERE generation = ? AND document > ? ORDER BY document, ordinal`,
  )
  const bytes = new Uint8Array(matrix.vectors.buffer)
  for (const row of added.iterate(state.generation, last)) {
    const vector = bytesIn(row, 'vector')
    if (vector.length !== state.dim * 4 || matrix.rows === matrix.chunks.length) throw damaged()
    bytes.set(vector, matrix.rows * state.dim * 4)
    matrix.chunks[matrix.rows] = numberIn(row, 'key')
    matrix.documents[matrix.rows] = numberIn(row, 'document')
    matrix.rows++
  }
  matrix.state = state
}

function damaged(): NonRetryableError {
  return new NonRetryableError(
    'a collection is damaged: a vector has another length, or there are more than it counts; the operation verify names them',
    { code: 'STORE_CORRUPT' },
  )
}

/** Closes the gaps of chunks that are gone. Both sides are in the order of (document, ordinal); the index alone answers. */
function dropRemoved(db: DatabaseSync, matrix: Kept, { generation, dim }: CollectionState): void {
  const last = matrix.documents[matrix.rows - 1] ?? -1
  const left = readKeys(
    db,
    'SELECT key FROM chunks WHERE generation = ? AND document <= ? ORDER BY document, ordinal',
    [generation, last],
  )
  let from = 0
  let to = 0
  for (const chunk of left) {
    while (from < matrix.rows && matrix.chunks[from] !== chunk) from++
    if (from !== to) {
      matrix.vectors.copyWithin(to * dim, from * dim, (from + 1) * dim)
      matrix.chunks[to] = matrix.chunks[from] ?? -1
      matrix.documents[to] = matrix.documents[from] ?? -1
    }
    from++
    to++
  }
  matrix.rows = to
}

/** Makes room for all chunks of the collection, and half as many again where it has to grow, as far as that is allowed. */
function reserve(matrix: Kept, { chunks, dim }: CollectionState, maxBytes: number): void {
  if (matrix.chunks.length >= chunks) return
  const most = Math.floor(maxBytes / bytesOf(1, dim))
  const rows = matrix.rows === 0 ? chunks : Math.max(chunks, Math.min(most, Math.ceil(chunks * 1.5)))
  matrix.vectors = grow(new Float32Array(rows * dim), matrix.vectors)
  matrix.chunks = grow(new Float64Array(rows), matrix.chunks)
  matrix.documents = grow(new Float64Array(rows), matrix.documents)
}

function grow<A extends Float32Array | Float64Array>(larger: A, old: A): A {
  larger.set(old)
  return larger
}

function evict(kept: Map<number, Kept>, inUse: number, maxBytes: number): void {
  let bytes = 0
  for (const { chunks, state } of kept.values()) bytes += bytesOf(chunks.length, state.dim)
  for (const [key, { chunks, state }] of kept) {
    if (bytes <= maxBytes || key === inUse) continue
    kept.delete(key)
    bytes -= bytesOf(chunks.length, state.dim)
  }
}
