import { createHash, hash } from 'node:crypto'
import { canonicalJson } from '@mcp-worker/runtime'
import { toBlob } from './vector.js'

/**
 * The id of a document that has none: the hash of its `source_id`, else of its text, else of its vector. 32 hex digits; the first word keeps a
 * source and a text that read the same apart.
 */
export function derivedId(kind: 'source' | 'text' | 'vector', value: string | Uint8Array): string {
  return createHash('sha256').update(`${kind}\0`).update(value).digest('hex').slice(0, 32)
}

/** Equal hashes: the same chunks, or the same ready vector and text, so nothing needs to be embedded or written again. */
export function contentHash(chunks: readonly (string | null)[], vector: Float32Array | null): string {
  const texts = JSON.stringify(chunks)
  if (vector === null) return hash('sha256', texts)
  return createHash('sha256').update(texts).update(toBlob(vector)).digest('hex')
}

/** Equal metadata have equal texts. */
export function metadataText(metadata: Readonly<Record<string, unknown>>): string {
  return canonicalJson(JSON.stringify(metadata))
}
