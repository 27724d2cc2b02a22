import type { ChunkOptions } from './options.js'
import type { Filter } from './payload.js'

export interface CollectionInfo {
  readonly name: string
  readonly dim: number
  /** The fingerprint's text, or `EXTERNAL_EMBEDDER`. */
  readonly embedder: string
  /** How its texts were cut when the generation was begun; null: its first batch had none. */
  readonly chunk: ChunkOptions | null
  /** 1 for the first; a number is never used again for this name. */
  readonly generation: number
  /** Documents. */
  readonly count: number
  readonly chunks: number
}

/** Whose vectors they are is not known: ready vectors that came without a word on their embedder. */
export const EXTERNAL_EMBEDDER = 'external'

export interface StoredDocument {
  /** New at every write of the document, and never used again for a collection of this name. */
  readonly revision: number
  readonly sourceId: string | null
  readonly version: number | null
  /** `contentHash` of identity.ts. */
  readonly contentHash: string
  /** Canonical JSON. */
  readonly metadata: string
}

export interface Chunk {
  readonly text: string | null
  /** At unit length. */
  readonly vector: Float32Array
}

export interface DocumentContent extends StoredDocument {
  /** false: the engine's own checksum says that it is not what was written. Engines without one say true. */
  readonly intact: boolean
  /** How the chunks' texts make the whole text (chunk.ts), to be kept as it is; null: a ready vector. */
  readonly joints: string | null
  readonly chunks: readonly Chunk[]
}

export type NewContent = Pick<DocumentContent, 'contentHash' | 'joints' | 'chunks'>

export interface DocumentWrite extends Pick<StoredDocument, 'sourceId' | 'version' | 'metadata'> {
  readonly id: string
  /** The revision that was looked up; null: it was not there. */
  readonly seen: number | null
  /** null: it stays as it is stored. */
  readonly content: NewContent | null
}

export interface BatchWrite {
  readonly collection: string
  readonly embedder: string
  readonly dim: number
  /** Kept where this write makes the collection. */
  readonly chunk: ChunkOptions | null
  /** Each id once, at most 1,000. */
  readonly documents: readonly DocumentWrite[]
}

export interface WriteAnswer {
  /** Ids. */
  readonly stale: ReadonlySet<string>
}

/** What a task wants to find again if it dies before it can say how far it came: stored in the transaction of the effect, or not at all. */
export interface Mark<Answer> {
  readonly task: string
  /** Called within the transaction, with what the call is going to answer. */
  readonly value: (answer: Answer) => string
}

export interface WriteOptions<Answer> {
  readonly signal: AbortSignal
  readonly mark?: Mark<Answer>
}

export interface RemoveTarget {
  readonly collection: string
  readonly which:
    /** With `sourceIds`: those of them that come from one of these sources when they are deleted. */
    | { readonly ids: readonly string[]; readonly sourceIds?: readonly string[] }
    | { readonly sourceIds: readonly string[] }
    | { readonly filter: Filter }
    | { readonly all: true }
}

export interface RemoveAnswer {
  readonly documents: number
  readonly chunks: number
}

export interface ListQuestion {
  readonly collection: string
  /** `next` of the page before; null: the first page. */
  readonly after: string | null
  readonly limit: number
  /** Only documents of these sources. */
  readonly sourceIds?: readonly string[]
  /** Only documents of which this generation, which is being built, has no copy at their present revision. */
  readonly missingFrom?: number
}

export interface ListedDocument {
  readonly id: string
  readonly sourceId: string | null
  readonly revision: number
  readonly contentHash: string
  /** How many. */
  readonly chunks: number
}

export interface DocumentPage {
  readonly documents: readonly ListedDocument[]
  /** null: this was the last page. */
  readonly next: string | null
}

export interface GenerationSpec {
  readonly collection: string
  readonly embedder: string
  readonly dim: number
  readonly chunk: ChunkOptions | null
}

export interface Build {
  readonly generation: number
  /** Documents that it holds already. */
  readonly count: number
}

export interface BuildWrite {
  readonly collection: string
  readonly generation: number
  /** Each id once, at most 1,000. */
  readonly documents: readonly BuildDocument[]
}

export interface BuildDocument extends NewContent {
  readonly id: string
  /** The revision of the original that this was made from. `chunks` may be empty: it could not be embedded, and will not be found. */
  readonly seen: number
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

export interface Problem {
  /** The document; null: the collection as a whole. */
  readonly id: string | null
  readonly code: string
  /** For people. */
  readonly detail: string
}
