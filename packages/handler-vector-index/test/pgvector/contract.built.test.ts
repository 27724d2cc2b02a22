import { openPgvectorStore } from '@mcp-worker/handler-vector-index'
import { Client } from 'pg'
import { afterAll, describe } from 'vitest'
import { testContract } from '../engine-contract.js'
import { openDatabase } from './database.js'

const database = await openDatabase(openPgvectorStore)
const schema = `test_contract_${process.pid}`
const url = database?.server.url ?? 'postgres://none'
const store = await openPgvectorStore({ url, schema })

async function emptySchema(): Promise<void> {
  const client = new Client({ connectionString: url })
  await client.connect()
  await client.query(`DROP SCHEMA IF EXISTS ${schema} CASCADE`)
  await client.end()
}

describe.skipIf(database === null)('pgvector', () => {
  afterAll(async () => {
    await store.close()
    await emptySchema()
  })
  testContract({ options: { engine: 'pgvector', url, schema }, store, empty: emptySchema })
})
