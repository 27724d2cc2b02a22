import { openPgvectorStore } from '@mcp-worker/handler-vector-index'
import { describe } from 'vitest'
import { testProcesses } from '../engine-processes.js'
import { openDatabase } from './database.js'

const database = await openDatabase(openPgvectorStore)

describe.skipIf(database === null)('PostgreSQL', () => {
  if (database === null) return
  testProcesses('pgvector', async () => {
    const { store, schema } = await database.openPlace()
    return { store, options: { engine: 'pgvector', url: database.server.url, schema } }
  })
})
