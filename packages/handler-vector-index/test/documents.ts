import type { BatchWrite, DocumentWrite, NewContent } from '../src/store.js'

/** A document with a chunk per angle, in radians. */
export function documentAt(
  id: string,
  angles: readonly number[],
  rest: Partial<DocumentWrite> = {},
): DocumentWrite {
  return {
    id,
    seen: null,
    sourceId: null,
    version: null,
    metadata: '{}',
    content: contentAt(id, angles),
    ...rest,
  }
}

export function contentAt(id: string, angles: readonly number[]): NewContent {
  const chunks = angles.map((angle, i) => ({
    text: `${id} chunk ${i} of ${angles.length}`,
    vector: Float32Array.of(Math.cos(angle), Math.sin(angle)),
  }))
  return { contentHash: `hash of ${id} ${angles.join()}`, joints: null, chunks }
}

export function numbered(count: number, angles: readonly number[] = [0]): DocumentWrite[] {
  return Array.from({ length: count }, (_, i) => documentAt(`d${String(i).padStart(4, '0')}`, angles))
}

export function batchOf(documents: readonly DocumentWrite[], collection = 'c'): BatchWrite {
  return { collection, embedder: 'e', dim: 2, chunk: null, documents }
}
