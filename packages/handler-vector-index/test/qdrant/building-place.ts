import { onTestFinished } from 'vitest'
import { openConnection } from '../../src/qdrant/client.js'
import { qdrantStoreOptions } from '../../src/qdrant/options.js'
import { createRegistry } from '../../src/qdrant/registry.js'
import { batchOf, contentAt, documentAt } from '../documents.js'
import { openQdrantPlace } from './place.js'

export const signal: AbortSignal = new AbortController().signal
const spec = { collection: 'c', embedder: 'e', dim: 2, chunk: null } as const

/** A collection `c` of the documents `a` and `b`, and a generation that is being built beside it; `copy` puts documents into that. */
export async function openBuilding(serverOptions: Parameters<typeof openQdrantPlace>[1] = {}) {
  const place = await openQdrantPlace({}, serverOptions)
  const { server, store } = place
  await store.write(batchOf([documentAt('a', [0]), documentAt('b', [1])]), { signal })
  const { generation } = await store.build(spec, { signal })
  const copy = async (...ids: string[]) => {
    const stored = await store.lookup('c', ids)
    const documents = [...stored].map(([id, { revision }]) => ({ id, seen: revision, ...contentAt(id, [2]) }))
    return store.writeBuild({ collection: 'c', generation, documents }, { signal })
  }
  const connection = await openConnection(qdrantStoreOptions.parse({ engine: 'qdrant', url: server.url }))
  onTestFinished(connection.close)
  const registry = createRegistry(connection.call, {
    prefix: 'mcp-worker',
    busyTimeoutMs: 10_000,
    sealBreaksAfterMs: 300,
  })
  const entry = async () => {
    const found = await registry.find('c')
    if (found === null) throw new Error('expected an entry')
    return found
  }
  return { ...place, generation, copy, registry, entry, connection }
}
