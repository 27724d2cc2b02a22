import { describe } from 'vitest'
import type { StoreCapabilities } from '../../src/store.js'
import { testVectorStore } from '../store-suite.js'
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

const database = await openDatabase()

describe.skipIf(database === null)('PostgreSQL', () => {
  if (database === null) return
  testExactness('pgvector', async () => (await database.openPlace()).store)
  testVectorStore('pgvector', () => database.openPlace(), CAPABILITIES)
  testVectorStore('pgvector with an HNSW index', () => database.openPlace({ index: 'hnsw' }), {
    ...CAPABILITIES,
    search: 'approximate',
  })
})
