import { hash } from 'node:crypto'
import { canonicalJson } from '@mcp-worker/runtime'
import { toBlob } from './vector.js'

/**
 * The id of a document that has none: the hash of its `source_id`, else of its text, else of its vector. 32 hex digits; the first word keeps a
 * source and a text that read the same apart.
 */
export function derivedId(kind: 'source' | 'text' | 'vector', value: string | Uint8Array): string {
  const named =
    typeof value === 'string' ? `${kind}\0${value}` : Buffer.concat([Buffer.from(`${kind}\0`), value])
  return hash('sha256', named).slice(0, 32)
}

/** Equal hashes: the same chunks, or the same ready vector and text, so nothing needs to be embedded or written again. */
export function contentHash(chunks: readonly (string | null)[], vector: Float32Array | null): string {
  const texts = JSON.stringify(chunks)
  if (vector === null) return hash('sha256', texts)
  return hash('sha256', Buffer.concat([Buffer.from(texts), toBlob(vector)]))
}

/** Equal metadata have equal texts. Half surrogate pairs become U+FFFD, as in all that is stored. */
export function metadataText(metadata: Readonly<Record<string, unknown>>): string {
  const json = JSON.stringify(metadata)
  return canonicalJson(json.includes('\\ud') ? withoutHalfPairs(json) : json)
}

/** JSON.stringify escapes no surrogates but halves; each escape is read as a whole, so that `\\ud800` after a backslash is none. */
function withoutHalfPairs(json: string): string {
  return json.replaceAll(/\\(?:u(d[89a-f][\da-f]{2})|.)/g, (escape: string, half?: string) =>
    half === undefined ? escape : '\uFFFD',
  )
}
