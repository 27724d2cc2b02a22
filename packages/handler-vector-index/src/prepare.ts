import { cutText } from './chunk.js'
import type { Entry } from './documents.js'
import type { FailedDocument, Place } from './faults.js'
import { contentHash, derivedId, metadataText } from './identity.js'
import type { ChunkOptions } from './options.js'
import type { DocumentInput } from './payload.js'
import { toBlob, unitVector } from './vector.js'

/** What a document comes to, before anything is known of the store. */
export interface PreparedDocument {
  readonly id: string
  /** null: it comes from the store itself. */
  readonly place: Place | null
  readonly sourceId: string | null
  readonly version: number | null
  /** Canonical JSON; null: it names none. */
  readonly metadata: string | null
  /** null: an update that leaves the content as it is. */
  readonly content: Content | null
}

export interface Content {
  readonly hash: string
  /** The texts of the chunks. With a ready vector there is one chunk, and its text may be null. */
  readonly texts: readonly (string | null)[]
  /** Of a text that was cut (chunk.ts); null: a ready vector. */
  readonly joints: string | null
  /** A ready vector at unit length. */
  readonly vector: Float32Array | null
}

export interface PrepareOptions {
  readonly chunk: ChunkOptions
  readonly maxTextLength: number
}

/** Pure: ids, chunks and hashes of one entry, or why it cannot be indexed. */
export function prepareDocument(entry: Entry, options: PrepareOptions): PreparedDocument | FailedDocument {
  const { position, line } = entry
  const place = line === undefined ? { position } : { position, line }
  if ('fault' in entry) return { id: `#${position}`, ...place, code: entry.fault, detail: entry.detail }
  const { document } = entry
  const length = document.text?.length ?? 0
  if (length > options.maxTextLength) {
    const detail = `expected a text of at most ${options.maxTextLength} characters, got ${length}`
    return { id: document.id ?? `#${position}`, ...place, code: 'DOCUMENT_TOO_LARGE', detail }
  }
  const vector = document.vector === undefined ? null : unitVector(document.vector)
  const id = idOf(document, vector) ?? `#${position}`
  if (typeof vector === 'string') return { id, ...place, code: vector }
  const content = contentOf(document, vector, options)
  if (content?.texts.length === 0) return { id, ...place, code: 'EMPTY_TEXT' }
  return {
    id,
    place,
    sourceId: document.source_id ?? null,
    version: document.version ?? null,
    metadata: document.metadata === undefined ? null : metadataText(document.metadata),
    content,
  }
}

/** The id that an entry has or would get; null: it cannot be told, since the entry is not a document. */
export function identifyEntry(entry: Entry): string | null {
  if ('fault' in entry) return null
  const { document } = entry
  const needsVector =
    document.id === undefined && document.source_id === undefined && document.text === undefined
  return idOf(document, needsVector ? unitVector(document.vector ?? []) : null)
}

function idOf({ id, source_id, text }: DocumentInput, vector: Float32Array | string | null): string | null {
  if (id !== undefined) return id
  if (source_id !== undefined) return derivedId('source', source_id)
  if (text !== undefined) return derivedId('text', text)
  return vector instanceof Float32Array ? derivedId('vector', toBlob(vector)) : null
}

function contentOf(
  { text }: DocumentInput,
  vector: Float32Array | null,
  options: PrepareOptions,
): Content | null {
  if (vector !== null) return readyContent(text ?? null, vector)
  return text === undefined ? null : textContent(text, options.chunk)
}

function readyContent(text: string | null, vector: Float32Array): Content {
  return { texts: [text], joints: null, vector, hash: contentHash([text], vector) }
}

export function textContent(text: string, chunk: ChunkOptions): Content {
  const { texts, joints } = cutText(text, chunk)
  return { texts, joints, vector: null, hash: contentHash(texts, null) }
}
