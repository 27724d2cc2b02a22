import type { Filter } from './payload.js'

/**
 * The port to where vectors live. One file per engine; all pass the suite in test/store-suite.ts. All methods may reject with a
 * `RetryableError` (`STORE_BUSY`, `STORE_UNAVAILABLE`, `STORE_FULL`), a `NonRetryableError` (`STORE_CORRUPT`), or the signal's reason.
 */
export interface VectorStore {
  collections(): Promise<readonly CollectionInfo[]>
  describe(collection: string): Promise<CollectionInfo | null>
  /** The stored documents of these ids; absent ids are left out. */
  lookup(collection: string, ids: readonly string[]): Promise<ReadonlyMap<string, StoredDocument>>
  /**
   * Writes a batch in one transaction, durable when it resolves: a reader sees all of a document's chunks, old or new, never both or none. Makes the
   * collection at its first write. A document whose revision is not `seen` any more is left alone and named in `stale`; a batch whose
   * embedder or dimension is not the collection's is stale as a whole.
   */
  write(batch: BatchWrite, signal: AbortSignal): Promise<WriteAnswer>
  /** Deletes at most `limit` documents in one transaction; those that are not there do not count. */
  remove(target: RemoveTarget, limit: number, signal: AbortSignal): Promise<RemoveAnswer>
  /** How many documents `remove` would delete in all. */
  countTargets(target: RemoveTarget): Promise<number>
  /**
   * The `k` documents whose best chunk is nearest to the vector by cosine, best first; exact. Rejects with `COLLECTION_NOT_FOUND` or
   * `DIM_MISMATCH` (permanent).
   */
  search(question: SearchQuestion): Promise<readonly Hit[]>
  /** Resolves where the store can be read and written. */
  ping(): Promise<void>
  close(): void
}

export interface CollectionInfo {
  readonly name: string
  readonly dim: number
  /** The fingerprint's text, or `EXTERNAL_EMBEDDER`. */
  readonly embedder: string
  readonly generation: number
  /** Documents. */
  readonly count: number
  readonly chunks: number
}

/** Whose vectors they are is not known: ready vectors that came without a word on their embedder. */
export const EXTERNAL_EMBEDDER = 'external'

export interface StoredDocument {
  /** New at every write of the document within its collection, and never used again. */
  readonly revision: number
  readonly sourceId: string | null
  readonly version: number | null
  readonly contentHash: string
  /** Canonical JSON. */
  readonly metadata: string
}

export interface DocumentWrite extends Omit<StoredDocument, 'revision'> {
  readonly id: string
  /** The revision that was looked up; null: it was not there. */
  readonly seen: number | null
  /** null: the content stays as it is stored. */
  readonly chunks: readonly ChunkWrite[] | null
}

export interface ChunkWrite {
  readonly text: string | null
  /** At unit length. */
  readonly vector: Float32Array
}

export interface BatchWrite {
  readonly collection: string
  readonly embedder: string
  readonly dim: number
  /** Each id once. */
  readonly documents: readonly DocumentWrite[]
}

export interface WriteAnswer {
  readonly stale: ReadonlySet<string>
}

export interface RemoveTarget {
  readonly collection: string
  readonly which:
    | { readonly ids: readonly string[] }
    | { readonly sourceIds: readonly string[] }
    | { readonly filter: Filter }
    | { readonly all: true }
}

export interface RemoveAnswer {
  readonly documents: number
  readonly chunks: number
}

export interface SearchQuestion {
  readonly collection: string
  /** At unit length. */
  readonly vector: Float32Array
  readonly k: number
  readonly filter: Filter | null
}

export interface Hit {
  readonly id: string
  readonly score: number
  readonly text: string | null
  /** JSON text. */
  readonly metadata: string
}
