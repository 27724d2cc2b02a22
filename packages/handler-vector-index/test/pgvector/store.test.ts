import { describe, expect, test } from 'vitest'
import type { StoreCapabilities } from '../../src/store.js'
import { testVectorStore } from '../store-suite.js'
import { batchOf, contentAt, documentAt, numbered } from '../documents.js'
import { testExactness } from '../engine-exactness.js'
import { openDatabase } from './database.js'

const CAPABILITIES: StoreCapabilities = {
  engine: 'pgvector',
  search: 'exact',
  transaction: 'batch',
  staleness: 'certain',
  marks: true,
  bareDocuments: true,
  exactVectors: true,
}

const { signal } = new AbortController()
const database = await openDatabase()

describe.skipIf(database === null)('PostgreSQL', () => {
  if (database === null) return
  testExactness('pgvector', async () => (await database.openPlace()).store)
  test('a document that is written or deleted loses its copy in the generation that is built', async () => {
    const { store } = await database.openPlace()
    await store.write(batchOf(numbered(3)), { signal })
    const spec = { collection: 'c', embedder: 'e', dim: 2, chunk: null }
    const { generation } = await store.build(spec, { signal })
    const stored = await store.lookup('c', ['d0000', 'd0001', 'd0002'])
    const documents = [...stored].map(([id, { revision }]) => ({
      id,
      seen: revision,
      ...contentAt(id, [1, 2]),
    }))
    await store.writeBuild({ collection: 'c', generation, documents }, { signal })
    const seen = stored.get('d0000')?.revision ?? null
    await store.write(batchOf([documentAt('d0000', [2], { seen })]), { signal })
    await store.remove({ collection: 'c', which: { ids: ['d0001'] } }, 10, { signal })
    expect(await store.build(spec, { signal })).toEqual({ generation, count: 1 })
  })
  testVectorStore('pgvector', () => database.openPlace(), CAPABILITIES)
  testVectorStore('pgvector with an HNSW index', () => database.openPlace({ index: 'hnsw' }), {
    ...CAPABILITIES,
    search: 'approximate',
  })
})
