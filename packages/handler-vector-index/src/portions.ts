import type { ListedDocument } from './store.js'

/** Chunks that are read at once, whatever `batch_size` says: it bounds the memory. */
const MAX_CHUNKS = 2_000

/** Ids of documents that can be read together. A document with more chunks than that is read alone. */
export function* portionsOf(
  documents: readonly Pick<ListedDocument, 'id' | 'chunks'>[],
): Generator<string[]> {
  let ids: string[] = []
  let chunks = 0
  for (const document of documents) {
    if (ids.length > 0 && chunks + document.chunks > MAX_CHUNKS) {
      yield ids
      ids = []
      chunks = 0
    }
    ids.push(document.id)
    chunks += document.chunks
  }
  if (ids.length > 0) yield ids
}
