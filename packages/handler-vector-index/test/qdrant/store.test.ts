import type { StoreCapabilities } from '../../src/store.js'
import { testVectorStore } from '../store-suite.js'
import { testExactness } from '../engine-exactness.js'
import { openQdrantPlace } from './place.js'

const CAPABILITIES: StoreCapabilities = {
  engine: 'qdrant',
  search: 'exact',
  transaction: 'document',
  staleness: 'certain',
  marks: false,
  bareDocuments: true,
  exactVectors: true,
}

testExactness('qdrant', async () => (await openQdrantPlace()).store)
testVectorStore('qdrant', () => openQdrantPlace(), CAPABILITIES)
testVectorStore('qdrant with its index', () => openQdrantPlace({ index: 'hnsw' }), {
  ...CAPABILITIES,
  search: 'approximate',
})
