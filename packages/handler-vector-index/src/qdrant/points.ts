import { NonRetryableError } from '@mcp-worker/runtime'
import { facetConditions, facetsOf } from '../facets.js'
import type { Filter as MetadataFilter } from '../payload.js'
import type { Chunk, DocumentContent, NewContent, RemoveTarget, StoredDocument } from '../store.js'
import { wellFormed } from '../well-formed.js'
import type { Condition, Filter, Schemas } from './client.js'
import { pointId } from './ids.js'

/**
 * The payload of a document's point: one point per document, so that a reader sees all of it, old or new. Its chunks are the rows of one
 * multivector. Documented in docs/engines.md.
 */
export interface Payload {
  readonly id: string
  readonly source_id: string | null
  readonly version: number | null
  readonly revision: number
  /** The revision that this one took the place of. */
  readonly previous: number | null
  /** New with every write of the point; a copy in a new generation keeps the revision and has a stamp of its own. */
  readonly stamp: number
  /** Canonical JSON. */
  readonly metadata: string
  readonly facets: readonly string[]
  readonly content_hash: string
  readonly joints: string | null
  readonly texts: readonly (string | null)[]
  readonly chunk_count: number
}

/** The payload of a point that stands for a document which is still to be copied. It has no vector, and nobody sees it. */
export interface Slot {
  readonly slot: true
  readonly stamp: number
}

export const IS_SLOT: Condition = { key: 'slot', match: { value: true } }

/** The fields that are asked for in filters; Qdrant in strict mode wants an index for each. */
export const INDEXED: Readonly<Partial<Record<keyof Payload | 'slot', 'keyword' | 'integer' | 'bool'>>> = {
  slot: 'bool',
  source_id: 'keyword',
  facets: 'keyword',
  revision: 'integer',
  stamp: 'integer',
  chunk_count: 'integer',
}

export const VECTOR = 'chunks'

/** The rest of a document beside its content. */
export function fieldsOf(document: Pick<StoredDocument, 'sourceId' | 'version' | 'metadata'>) {
  return {
    source_id: document.sourceId === null ? null : wellFormed(document.sourceId),
    version: document.version,
    metadata: document.metadata,
    facets: facetsOf(document.metadata).map(wellFormed),
  }
}

export function contentOf({ contentHash, joints, chunks }: NewContent) {
  return {
    content_hash: wellFormed(contentHash),
    joints: joints === null ? null : wellFormed(joints),
    texts: chunks.map(({ text }) => (text === null ? null : wellFormed(text))),
    chunk_count: chunks.length,
  }
}

export function pointOf(payload: Payload, chunks: readonly Chunk[]): Schemas['PointStruct'] {
  const vector = chunks.length === 0 ? {} : { [VECTOR]: chunks.map((chunk) => componentsOf(chunk.vector)) }
  return { id: pointId(payload.id), vector, payload: { ...payload } }
}

/** Nine digits give each float32 back bit by bit, and are half as long as those of a double. */
export function componentsOf(vector: Float32Array): number[] {
  return Array.from(vector, (value) => Number(value.toPrecision(9)))
}

/** What a point's payload says, in part where only a part was asked for. */
export function payloadOf<Key extends keyof Payload>(point: {
  readonly payload?: unknown
}): Pick<Payload, Key> {
  return (point.payload ?? {}) as Pick<Payload, Key>
}

export function toStored(payload: Payload): StoredDocument {
  const { revision, source_id: sourceId, version, content_hash: contentHash, metadata } = payload
  return { revision, sourceId, version, contentHash, metadata }
}

export function toContent(point: Schemas['Record']): DocumentContent {
  const payload = payloadOf<keyof Payload>(point)
  const vectors = vectorsOf(point)
  return {
    ...toStored(payload),
    intact: vectors.length === payload.chunk_count,
    joints: payload.joints,
    chunks: payload.texts.map((text, i) => ({ text, vector: vectors[i] ?? new Float32Array(0) })),
  }
}

export function vectorsOf({ vector }: { readonly vector?: unknown }): readonly Float32Array[] {
  const rows = (vector as Readonly<Record<string, unknown>> | undefined)?.[VECTOR]
  return Array.isArray(rows) ? rows.map((row) => Float32Array.from(row as number[])) : []
}

const MAX_MULTIVECTOR = 1_048_575

/** Qdrant refuses the whole request for one document that is too large. */
export function mustFit(id: string, chunks: readonly Chunk[]): void {
  const components = chunks.reduce((sum, { vector }) => sum + vector.length, 0)
  if (components <= MAX_MULTIVECTOR) return
  throw new NonRetryableError(
    `document ${JSON.stringify(id)}: expected at most ${MAX_MULTIVECTOR} components in all of its chunks' vectors, as Qdrant stores them, ` +
      `got ${components}. Cut it into documents, or into larger chunks`,
    { code: 'DOCUMENT_TOO_LARGE' },
  )
}

/** Documents of these ids, if they still have one of the revisions. */
export function unchanged(ids: readonly string[], revisions: readonly number[]): Filter {
  return { must: [{ has_id: ids.map(pointId) }, anyOf('revision', revisions)] }
}

export function anyOf(key: keyof Payload, values: readonly string[] | readonly number[]): Condition {
  return { key, match: { any: [...values] as string[] } }
}

export function metadataFilter(filter: MetadataFilter): Filter {
  return { must: metadataConditions(filter) }
}

function metadataConditions(filter: MetadataFilter): Condition[] {
  return facetConditions(filter).map(({ anyOf: facets, orWithout }): Condition => {
    const has = anyOf('facets', facets.map(wellFormed))
    if (orWithout === null) return has
    const lacks = { must_not: [anyOf('facets', [wellFormed(orWithout)])] }
    return facets.length === 0 ? lacks : { should: [has, lacks] }
  })
}

export function targetFilter(which: RemoveTarget['which']): Filter {
  return { must: targetConditions(which), must_not: [IS_SLOT] }
}

function targetConditions(which: RemoveTarget['which']): Condition[] {
  if ('ids' in which) return [{ has_id: which.ids.map(pointId) }, ...comesFrom(which.sourceIds)]
  if ('sourceIds' in which) return comesFrom(which.sourceIds)
  return 'filter' in which ? metadataConditions(which.filter) : []
}

function comesFrom(sourceIds: readonly string[] | undefined): Condition[] {
  return sourceIds === undefined ? [] : [anyOf('source_id', sourceIds.map(wellFormed))]
}
