import { join } from 'node:path'
import { openSqliteStore, type VectorStore } from '@mcp-worker/handler-vector-index'
import { versionOf } from '../queue/version.ts'
import type { Batch, VectorEngine } from './engine.ts'
import { DIMENSION, rowOf } from './vectors.ts'

const collection = 'bench'
const never = new AbortController().signal
/** A SHA-256: what is compared to find a document unchanged. */
const contentHash = '0'.repeat(64)

/** As the `vector_index` task has it: a batch is looked up, then written with the revisions that were seen. */
export function ourEngine(): VectorEngine {
  let store: VectorStore
  const write = async ({ ids, vectors }: Batch) => {
    const found = await store.lookup(collection, ids)
    const documents = ids.map((id, row) => ({
      id,
      seen: found.get(id)?.revision ?? null,
      sourceId: null,
      version: null,
      metadata: '{}',
      content: { contentHash, joints: null, chunks: [{ text: null, vector: rowOf(vectors, row) }] },
    }))
    const batch = { collection, embedder: 'external', dim: DIMENSION, chunk: null, documents }
    const { stale } = await store.write(batch, { signal: never })
    if (stale.size > 0) throw new Error(`expected no other writer, got ${stale.size} stale documents`)
  }
  return {
    version: versionOf('@mcp-worker/handler-vector-index'),
    async open(folder) {
      store = await openSqliteStore({ path: join(folder, 'vectors.db') })
    },
    insert: write,
    replace: write,
    async search(vector, k) {
      const hits = await store.search({ collection, vector, k, filter: null })
      return hits.map(({ id }) => id)
    },
    count: async () => (await store.describe(collection))?.count ?? 0,
    close: () => store.close(),
  }
}
