import { openPgvectorStore } from '@mcp-worker/handler-vector-index'
import { Client } from 'pg'
import { afterAll, describe } from 'vitest'
import { testContract } from '../engine-contract.js'
import { openDatabase } from './database.js'

const database = await openDatabase(openPgvectorStore)
const schema = `test_contract_${process.pid}`

async function emptySchema(url: string): Promise<void> {
  const client = new Client({ connectionString: url })
  await client.connect()
  await client.query(`DROP SCHEMA IF EXISTS ${schema} CASCADE`)
  await client.end()
}

if (database === null) describe.skip('pgvector')
else {
  const { url } = database.server
  const store = await openPgvectorStore({ url, schema })
  afterAll(async () => {
    await store.close()
    await emptySchema(url)
  })
  testContract({ options: { engine: 'pgvector', url, schema }, store, empty: () => emptySchema(url) })
}
