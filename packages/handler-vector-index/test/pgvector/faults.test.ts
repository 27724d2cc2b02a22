import { once } from 'node:events'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { startPostgres } from '@mcp-worker/test-servers'
import { describe, expect, onTestFinished, test } from 'vitest'
import { openPgConnection, type Sql } from '../../src/pgvector/connection.js'
import { pgvectorStoreOptions } from '../../src/pgvector/options.js'
import { batchOf, documentAt, numbered } from '../documents.js'
import { type Database, openDatabase } from './database.js'

const { signal } = new AbortController()
const database = await openDatabase()

describe.skipIf(database === null)('pgvector', () => {
  if (database === null) return
  testConnections(database)
  testLocks(database)
  testRefusals(database)
  testTexts(database)
})

/** A server that takes connections and never says a word. */
async function startSilentServer(): Promise<string> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => void sockets.add(socket.on('error', () => {}))).listen(
    0,
    '127.0.0.1',
  )
  await once(server, 'listening')
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return `postgres://test@127.0.0.1:${(server.address() as AddressInfo).port}/postgres`
}

function testConnections({ server, open, openPlace, client }: Database): void {
  test('a server that is down lets the store open, and every call is STORE_UNAVAILABLE', async () => {
    const store = await open({ url: 'postgres://test@127.0.0.1:1/postgres' })
    for (const call of [store.describe('c'), store.ping(), store.write(batchOf(numbered(1)), { signal })]) {
      await expect(call).rejects.toMatchObject({ name: 'RetryableError', code: 'STORE_UNAVAILABLE' })
    }
  })

  test('a server that does not answer is STORE_UNAVAILABLE after connectTimeoutMs, and an abort ends the wait', async () => {
    const url = await startSilentServer()
    const store = await open({ url, connectTimeoutMs: 200 })
    await expect(store.describe('c')).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
    const connection = await openPgConnection(
      pgvectorStoreOptions.parse({ engine: 'pgvector', url, connectTimeoutMs: 600_000 }),
      () => ['public'],
    )
    const abort = new AbortController()
    const reading = connection.read(async () => 1, abort.signal)
    abort.abort(new Error('cancelled by the test'))
    await expect(reading).rejects.toThrow('cancelled by the test')
  })

  test('a connection that is cut in the middle of a batch leaves nothing of it, and the store goes on', async () => {
    const { store, schema } = await openPlace()
    await store.write(batchOf([documentAt('first', [0])]), { signal })
    const other = await client()
    // the batch waits for this lock after it has inserted its documents
    await other.query(`BEGIN; LOCK TABLE ${schema}.contents`)
    const writing = store.write(batchOf(numbered(5)), { signal })
    const refused = writing.catch((reason: unknown) => reason)
    await expect.poll(() => cutWaiting(other)).toBe(1)
    expect(await refused).toMatchObject({ name: 'RetryableError', code: 'STORE_UNAVAILABLE' })
    await other.query('COMMIT')
    expect(await store.describe('c')).toMatchObject({ count: 1 })
    expect(await store.write(batchOf(numbered(5)), { signal })).toEqual({ stale: new Set() })
    expect(await store.describe('c')).toMatchObject({ count: 6 })
  })

  test('idle connections that the server closed are replaced without a word', async () => {
    const { store } = await openPlace()
    await store.write(batchOf(numbered(1)), { signal })
    const other = await client()
    await other.query(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'mcp-worker vector index'",
    )
    expect(await store.describe('c')).toMatchObject({ count: 1 })
  })

  test('a call that this package refuses, or the server, gives its connection back', async () => {
    const { store, schema } = await openPlace({ poolSize: 1, busyTimeoutMs: 50 })
    await store.write(batchOf(numbered(1)), { signal })
    const other = await client()
    const connections = async () => {
      const { rows } = await other.query<{ pid: number }>(
        "SELECT pid FROM pg_stat_activity WHERE application_name = 'mcp-worker vector index'",
      )
      return rows.map(({ pid }) => pid)
    }
    const before = await connections()
    expect(before).toHaveLength(1)
    const search = (collection: string, ...vector: number[]) =>
      store.search({ collection, vector: Float32Array.from(vector), k: 1, filter: null })
    await expect(search('none', 1, 0)).rejects.toMatchObject({ code: 'COLLECTION_NOT_FOUND' })
    await expect(search('c', 1, 0, 0)).rejects.toMatchObject({ code: 'DIM_MISMATCH' })
    await other.query(`ALTER TABLE ${schema}.documents RENAME TO away`)
    await expect(store.lookup('c', ['d0000'])).rejects.toMatchObject({ code: 'STORE_REFUSED' })
    await other.query(`ALTER TABLE ${schema}.away RENAME TO documents`)
    expect([...(await store.lookup('c', ['d0000'])).keys()]).toEqual(['d0000'])
    expect(await connections()).toEqual(before)
  })

  test.skipIf(!server.own)('what was acknowledged is there after the server was killed', async () => {
    const own = await startPostgres({ durable: false })
    onTestFinished(() => own.stop())
    const store = await open({ url: own.url })
    await store.write(batchOf(numbered(3)), { signal })
    await store.remove({ collection: 'c', which: { ids: ['d0001'] } }, 10, { signal })
    await own.killAndStart()
    const again = await open({ url: own.url })
    expect([...(await again.lookup('c', ['d0000', 'd0001', 'd0002'])).keys()]).toEqual(['d0000', 'd0002'])
    expect(await store.describe('c')).toMatchObject({ count: 2 })
  })
}

/** Ends those of the engine's connections that wait for a lock; answers how many. */
async function cutWaiting(client: Awaited<ReturnType<Database['client']>>): Promise<number> {
  const { rowCount } = await client.query(
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
     WHERE application_name = 'mcp-worker vector index' AND wait_event_type = 'Lock'`,
  )
  return rowCount ?? 0
}

function testLocks({ openPlace, client, server }: Database): void {
  test('an abort ends a write that waits for a lock, on the server too, and nothing of it is written', async () => {
    const { store, schema } = await openPlace()
    await store.write(batchOf([documentAt('first', [0])]), { signal })
    const other = await client()
    await other.query(`BEGIN; LOCK TABLE ${schema}.contents`)
    const abort = new AbortController()
    const writing = store.write(batchOf(numbered(5)), { signal: abort.signal })
    const refused = writing.catch((reason: unknown) => reason)
    const waiting = async () => {
      const { rows } = await other.query(
        `SELECT 1 FROM pg_stat_activity WHERE application_name = 'mcp-worker vector index' AND wait_event_type = 'Lock'`,
      )
      return rows.length
    }
    await expect.poll(waiting).toBe(1)
    abort.abort(new Error('cancelled by the test'))
    expect(await refused).toMatchObject({ message: 'cancelled by the test' })
    await expect.poll(waiting).toBe(0)
    await other.query('COMMIT')
    expect(await store.describe('c')).toMatchObject({ count: 1 })
  })

  test('a document that moves to another source while a delete waits for it is not deleted', async () => {
    const { store, schema } = await openPlace()
    const sourceId = 'old'
    await store.write(batchOf(numbered(2).map((one) => ({ ...one, sourceId }))), { signal })
    const other = await client()
    await other.query(`BEGIN; UPDATE ${schema}.documents SET source_id = 'new' WHERE id = 'd0000'`)
    const which = { ids: ['d0000', 'd0001'], sourceIds: [sourceId] }
    const removing = store.remove({ collection: 'c', which }, 10, { signal })
    const waiting = `SELECT 1 FROM pg_stat_activity
      WHERE application_name = 'mcp-worker vector index' AND wait_event_type = 'Lock'`
    await expect.poll(async () => (await other.query(waiting)).rowCount).toBe(1)
    await other.query('COMMIT')
    expect(await removing).toEqual({ documents: 1, chunks: 1 })
    expect([...(await store.lookup('c', which.ids)).keys()]).toEqual(['d0000'])
  })

  test('a lock that is not given in busyTimeoutMs is STORE_BUSY', async () => {
    const { store, schema, again } = await openPlace({ busyTimeoutMs: 100 })
    await store.write(batchOf([documentAt('first', [0])]), { signal })
    const other = await client()
    await other.query(`BEGIN; LOCK TABLE ${schema}.contents`)
    await expect((await again()).write(batchOf(numbered(1)), { signal })).rejects.toMatchObject({
      name: 'RetryableError',
      code: 'STORE_BUSY',
    })
  })

  test('a deadlock is nobody’s error: the transaction that lost runs again', async () => {
    const { schema } = await openPlace()
    const other = await client()
    await other.query(
      `CREATE SCHEMA ${schema}; CREATE TABLE ${schema}.t (k int PRIMARY KEY, n int DEFAULT 0)`,
    )
    await other.query(`INSERT INTO ${schema}.t VALUES (1), (2)`)
    const options = pgvectorStoreOptions.parse({ engine: 'pgvector', url: server.url })
    const connection = await openPgConnection(options, () => [schema])
    onTestFinished(() => connection.close())
    const seen = { runs: 0, first: new Set<number>() }
    const add = (first: number, second: number) =>
      connection.write(async (sql) => {
        seen.runs++
        await sql.run('UPDATE t SET n = n + 1 WHERE k = $1', [first])
        seen.first.add(first)
        // the first time each holds what the other wants
        while (seen.runs <= 2 && seen.first.size < 2) await sql.rows('SELECT 1')
        await sql.run('UPDATE t SET n = n + 1 WHERE k = $1', [second])
      }, signal)
    await Promise.all([add(1, 2), add(2, 1)])
    expect((await other.query(`SELECT n FROM ${schema}.t`)).rows).toEqual([{ n: 2 }, { n: 2 }])
    expect(seen.runs).toBeGreaterThan(2)
  })

  test('eight stores that open a new schema at once all find it made', async () => {
    const { again } = await openPlace()
    const stores = await Promise.all(Array.from({ length: 8 }, () => again()))
    await Promise.all(stores.map((store, i) => store.write(batchOf([documentAt(`d${i}`, [i])]), { signal })))
    expect(await stores[0]?.describe('c')).toMatchObject({ count: 8, generation: 1 })
  })

  test('a commit is on the disk also where the database would not wait for it', async () => {
    const url = `${server.url}?options=-c%20synchronous_commit%3Doff`
    const options = pgvectorStoreOptions.parse({ engine: 'pgvector', url })
    const connection = await openPgConnection(options, () => ['public'])
    onTestFinished(() => connection.close())
    expect(await connection.read(askSynchronousCommit)).toEqual([{ synchronous_commit: 'off' }])
    expect(await connection.write(askSynchronousCommit, signal)).toEqual([{ synchronous_commit: 'on' }])
  })
}

function askSynchronousCommit(sql: Sql) {
  return sql.rows<{ synchronous_commit: string }>('SHOW synchronous_commit')
}

function testRefusals({ open, openPlace, client, server }: Database): void {
  test('a database that is not there, or a role without rights, is STORE_REFUSED', async () => {
    const store = await open({ url: server.url.replace(/\/[^/]*$/, '/none_of_this_name') })
    await expect(store.ping()).rejects.toMatchObject({ name: 'NonRetryableError', code: 'STORE_REFUSED' })
  })

  test('a schema of another program or a newer version is refused', async () => {
    const { schema, store } = await openPlace()
    const other = await client()
    await other.query(`CREATE SCHEMA ${schema}; CREATE TABLE ${schema}.documents (x int)`)
    await expect(store.ping()).rejects.toMatchObject({ code: 'STORE_FOREIGN' })
    const newer = await openPlace()
    await newer.store.ping()
    await other.query(`UPDATE ${newer.schema}.meta SET version = 99`)
    await expect((await newer.again()).ping()).rejects.toMatchObject({ code: 'STORE_NEWER' })
  })

  test('a schema name that is no plain identifier is refused before anything is asked', () => {
    for (const schema of ['a"; DROP TABLE x', 'Upper', '', '1a', 'a.b']) {
      const options = { engine: 'pgvector', url: server.url, schema }
      expect(pgvectorStoreOptions.safeParse(options).success).toBe(false)
    }
  })

  test('more components than the index can hold are STORE_REFUSED, and without the index they are not', async () => {
    const vector = new Float32Array(2_001)
    vector[0] = 1
    const document = documentAt('a', [], {
      content: { contentHash: '', joints: null, chunks: [{ text: null, vector }] },
    })
    const batch = { ...batchOf([document]), dim: 2_001 }
    const indexed = await openPlace({ index: 'hnsw' })
    await expect(indexed.store.write(batch, { signal })).rejects.toMatchObject({ code: 'STORE_REFUSED' })
    const { store } = await openPlace()
    expect(await store.write(batch, { signal })).toEqual({ stale: new Set() })
  })
}

function testTexts({ openPlace }: Database): void {
  test('any text comes back as it was, also what PostgreSQL cannot hold', async () => {
    const { store } = await openPlace()
    for (const text of [
      "'; DROP TABLE documents; --",
      '$1',
      'a\0b',
      '\uE000',
      '\uE0000\0',
      '{"a,b"}',
      '\\',
      '😀',
    ]) {
      const chunks = [{ text, vector: Float32Array.of(1, 0) }]
      const content = { contentHash: 'h', joints: text, chunks }
      const document = documentAt(`id ${text}`, [], { content, sourceId: `source ${text}` })
      expect(await store.write(batchOf([document]), { signal })).toEqual({ stale: new Set() })
      const read = (await store.read('c', [`id ${text}`])).get(`id ${text}`)
      expect(read).toMatchObject({ sourceId: `source ${text}`, joints: text, chunks })
      const target = { collection: 'c', which: { sourceIds: [`source ${text}`] } } as const
      expect(await store.remove(target, 10, { signal })).toMatchObject({ documents: 1 })
    }
  })
}
