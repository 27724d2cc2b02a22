import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import type { Checkpoint } from '../../src/journal.js'
import { openSqliteConnection } from '../../src/sqlite/connection.js'
import { classifySqliteError } from '../../src/sqlite/errors.js'
import { createSqliteStore, openSqliteStore } from '../../src/sqlite/store.js'
import { openIndex } from '../index-harness.js'
import { tempFolder } from '../temp-folder.js'

const numbered = (count: number) =>
  Array.from({ length: count }, (_, i) => ({ id: `d${i}`, text: `${i} ${'word '.repeat(200)}` }))

test('on a full disk a task keeps its batches, is retried later, and goes on when there is room', async () => {
  const index = await openIndex()
  const connection = await openSqliteConnection(index.path, 1000)
  onTestFinished(connection.close)
  const store = createSqliteStore(connection, { path: index.path, searchMemoryMb: 8 })
  const setLimit = (pages: number) => connection.db.exec(`PRAGMA max_page_count = ${pages}`)
  setLimit(60)
  let checkpoint: Checkpoint | undefined
  const payload = { documents: numbered(200), batch_size: 20 }
  const onCheckpoint = (saved: Checkpoint) => (checkpoint = saved)
  await expect(index.run(payload, { store, task: 't', onCheckpoint })).rejects.toMatchObject({
    name: 'RetryableError',
    code: 'STORE_FULL',
    delayMs: 60_000,
    message: expect.stringContaining('free some of it'),
  })
  const kept = (await store.describe('documents'))?.count ?? 0
  expect(kept).toBeGreaterThan(0)
  expect(kept).toBe(checkpoint?.next)
  expect((await index.run({ operation: 'verify' }, { store })).verified?.problem_count).toBe(0)
  expect(await index.search({ text: 'word 7', k: 1 })).toMatchObject({ hits: [{}] })
  setLimit(1_000_000)
  const result = await index.run(payload, { store, task: 't', ...(checkpoint && { checkpoint }) })
  expect(result).toMatchObject({ inserted: 200, unchanged: 0, collection: { count: 200 } })
})

test('a path that cannot be a file says what was expected and what is there', async () => {
  const folder = await tempFolder()
  await mkdir(join(folder, 'folder.db'))
  await writeFile(join(folder, 'file'), '')
  await expect(openSqliteStore({ path: join(folder, 'folder.db') })).rejects.toMatchObject({
    name: 'RetryableError',
    code: 'STORE_UNAVAILABLE',
    message: expect.stringMatching(/expected a file that can be read and written.*got a folder/s),
  })
  await expect(openSqliteStore({ path: join(folder, 'file', 'vectors.db') })).rejects.toMatchObject({
    name: 'RetryableError',
    code: 'STORE_UNAVAILABLE',
    message: expect.stringMatching(/expected a file that can be read and written.*ENOTDIR/s),
  })
})

test('a file that may not be written is STORE_UNAVAILABLE, with the rights that are needed', async () => {
  const path = join(await tempFolder(), 'vectors.db')
  const error = Object.assign(new Error('attempt to write a readonly database'), { errcode: 8 })
  expect(classifySqliteError(error, path)).toMatchObject({
    name: 'RetryableError',
    code: 'STORE_UNAVAILABLE',
    message: expect.stringContaining('vectors.db-wal'),
  })
})
