import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { expect, onTestFinished, test } from 'vitest'
import { openSqliteConnection } from '../../src/sqlite/connection.js'
import { pragma, SCHEMA } from '../../src/sqlite/schema.js'
import { openSqliteStore, SQLITE_CAPABILITIES, type SqliteStoreOptions } from '../../src/sqlite/store.js'
import { testVectorStore } from '../store-suite.js'
import { tempFolder } from '../temp-folder.js'

async function open(options: Partial<SqliteStoreOptions> = {}) {
  const store = await openSqliteStore({ path: join(await tempFolder(), 'vectors.db'), ...options })
  onTestFinished(() => store.close())
  return store
}

async function openPlace(options: Partial<SqliteStoreOptions> = {}) {
  const path = join(await tempFolder(), 'vectors.db')
  return { store: await open({ ...options, path }), again: () => open({ ...options, path }) }
}

testVectorStore('sqlite', openPlace, SQLITE_CAPABILITIES)
testVectorStore('sqlite without a search cache', () => openPlace({ searchMemoryMb: 0 }), SQLITE_CAPABILITIES)

test('every connection has WAL, synchronous FULL and incremental vacuum', async () => {
  const path = join(await tempFolder(), 'vectors.db')
  for (let round = 0; round < 2; round++) {
    const connection = await openSqliteConnection(path, 1000)
    onTestFinished(connection.close)
    expect(pragma(connection.db, 'journal_mode')).toBe('wal')
    expect(pragma(connection.db, 'synchronous')).toBe(2)
    expect(pragma(connection.db, 'auto_vacuum')).toBe(2)
    expect(pragma(connection.db, 'page_size')).toBe(8192)
  }
})

test('the documented schema is the one in the file', async () => {
  const path = join(await tempFolder(), 'vectors.db')
  const { db, close } = await openSqliteConnection(path, 1000)
  onTestFinished(close)
  const made = db
    .prepare("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite%'")
    .all()
  const docs = await readFile(new URL('../../docs/store.md', import.meta.url), 'utf8')
  for (const { sql } of made) {
    expect(SCHEMA).toContain(sql)
    expect(docs).toContain(sql)
  }
  expect(made).toHaveLength(7)
})

test('a file of another program, a newer version and no database at all are refused with a code each', async () => {
  const folder = await tempFolder()
  const make = (name: string, sql: string) => {
    const db = new DatabaseSync(join(folder, name))
    db.exec(sql)
    db.close()
    return join(folder, name)
  }
  const foreign = make('foreign.db', 'CREATE TABLE t (x)')
  await expect(open({ path: foreign })).rejects.toMatchObject({ code: 'STORE_FOREIGN' })
  const path = join(folder, 'newer.db')
  const store = await openSqliteStore({ path })
  await store.close()
  make('newer.db', 'PRAGMA user_version = 99')
  await expect(open({ path })).rejects.toMatchObject({ code: 'STORE_NEWER' })
  make('newer.db', 'PRAGMA user_version = 1')
  await expect(open({ path })).rejects.toMatchObject({ code: 'STORE_OLDER' })
  await writeFile(
    join(folder, 'text.db'),
    'this is not a database, and long enough to be looked at'.repeat(50),
  )
  await expect(open({ path: join(folder, 'text.db') })).rejects.toMatchObject({ code: 'STORE_CORRUPT' })
})

test('an abort while a write waits for another writer ends it with the reason of the abort', async () => {
  const path = join(await tempFolder(), 'vectors.db')
  const store = await open({ path })
  const other = new DatabaseSync(path)
  onTestFinished(() => other.close())
  other.exec('BEGIN IMMEDIATE')
  const stop = new AbortController()
  // the first attempt is made within the call
  const waiting = store.ping(stop.signal)
  const reason = new Error('cancelled')
  stop.abort(reason)
  await expect(waiting).rejects.toBe(reason)
})

test('a write waits for another writer, and reports STORE_BUSY as retryable when the time is up', async () => {
  const path = join(await tempFolder(), 'vectors.db')
  const store = await open({ path, busyTimeoutMs: 100 })
  const other = new DatabaseSync(path)
  onTestFinished(() => other.close())
  const document = {
    id: 'a',
    seen: null,
    sourceId: null,
    version: null,
    metadata: '{}',
    content: { contentHash: '', joints: null, chunks: [{ text: null, vector: Float32Array.of(1) }] },
  }
  const write = (signal = new AbortController().signal) =>
    store.write({ collection: 'c', embedder: 'e', dim: 1, chunk: null, documents: [document] }, { signal })
  other.exec('BEGIN IMMEDIATE')
  await expect(write()).rejects.toMatchObject({ name: 'RetryableError', code: 'STORE_BUSY' })
  const patient = await open({ path })
  const waiting = patient.write(
    { collection: 'c', embedder: 'e', dim: 1, chunk: null, documents: [document] },
    { signal: new AbortController().signal },
  )
  await expect(write(AbortSignal.abort(new Error('cancelled')))).rejects.toThrow('cancelled')
  other.exec('COMMIT')
  expect(await waiting).toEqual({ stale: new Set() })
})

test('a purge removes a slice of documents with their chunks, and at last the generation', async () => {
  const path = join(await tempFolder(), 'vectors.db')
  const store = await open({ path })
  const { signal } = new AbortController()
  const chunk = { text: 'x', vector: Float32Array.of(1) }
  const documents = Array.from({ length: 100 }, (_, i) => ({
    id: String(i),
    seen: null,
    sourceId: null,
    version: null,
    metadata: '{}',
    content: { contentHash: '', joints: '[0]', chunks: [chunk, chunk] },
  }))
  await store.write({ collection: 'c', embedder: 'e', dim: 1, chunk: null, documents }, { signal })
  await store.drop('c', { signal })
  const db = new DatabaseSync(path, { readOnly: true })
  onTestFinished(() => db.close())
  const left = () =>
    ['generations', 'documents', 'chunks'].map(
      (table) => db.prepare(`SELECT count(*) AS n FROM ${table}`).get()?.['n'],
    )
  expect(await store.purge(30, { signal })).toBe(30)
  expect(left()).toEqual([1, 70, 140])
  while ((await store.purge(30, { signal })) > 0);
  expect(left()).toEqual([0, 0, 0])
})
