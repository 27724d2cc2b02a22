import { DatabaseSync } from 'node:sqlite'
import { expect, onTestFinished, test } from 'vitest'
import type { Checkpoint } from '../src/journal.js'
import { searchInputSchema } from '../src/payload.js'
import { searchVectors } from '../src/search.js'
import { openSqliteStore } from '../src/sqlite/store.js'
import type { VectorStore } from '../src/store.js'
import { type IndexHarness, openIndex, words } from './index-harness.js'
import { createWordEmbedder } from './word-embedder.js'

const numbered = (count: number, from = 0) =>
  Array.from({ length: count }, (_, i) => ({
    id: `doc-${from + i}`,
    text: `text number ${from + i}`,
    metadata: { n: from + i },
    source_id: `source-${i % 3}`,
  }))
const other = () => createWordEmbedder('other', 24)
const reindex = { operation: 'reindex' as const }

/** Rows of the file by the state of their generation. */
function rowsOf({ path }: IndexHarness): Record<string, number> {
  const db = new DatabaseSync(path, { readOnly: true })
  try {
    const rows = db.prepare(
      `SELECT g.state AS state, count(c.key) AS n FROM generations g LEFT JOIN chunks c ON c.generation = g.key GROUP BY g.key`,
    )
    return Object.fromEntries(rows.all().map((row) => [String(row['state']), Number(row['n'])]))
  } finally {
    db.close()
  }
}

/** A store that calls `before` ahead of each call of the method. */
function intercept<K extends keyof VectorStore>(
  store: VectorStore,
  method: K,
  before: () => Promise<void>,
): VectorStore {
  const original = store[method] as (...args: unknown[]) => Promise<unknown>
  return { ...store, [method]: async (...args: unknown[]) => (await before(), original(...args)) }
}

test('another embedder: the old generation is searched until the swap, then the new one, and the old rows are gone', async () => {
  const index = await openIndex()
  await index.run({ documents: numbered(30) })
  const embedder = other()
  const seen: unknown[] = []
  const store = intercept(index.store, 'writeBuild', async () => {
    const { hits } = await index.search({ text: 'text number 7', k: 1 })
    seen.push(hits[0]?.id, (await index.store.describe('documents'))?.embedder)
    await expect(index.search({ text: 'text number 7' }, embedder)).rejects.toMatchObject({
      code: 'EMBEDDER_MISMATCH',
    })
  })
  const result = await index.run({ ...reindex, batch_size: 10 }, { embedder, store })
  expect(seen).toEqual(Array.from({ length: 3 }, () => ['doc-7', index.embedder.fingerprint]).flat())
  expect(result).toMatchObject({
    updated: 30,
    failed_count: 0,
    chunks: 30,
    collection: { count: 30, dim: 24, embedder: embedder.fingerprint, generation: 2 },
  })
  const { hits } = await index.search({ text: 'text number 7', k: 1, filter: { n: 7 } }, embedder)
  expect(hits).toEqual([{ id: 'doc-7', text: 'text number 7', score: expect.closeTo(1), metadata: { n: 7 } }])
  await expect(index.search({ text: 'text' })).rejects.toMatchObject({ code: 'EMBEDDER_MISMATCH' })
  expect(rowsOf(index)).toEqual({ current: 30 })
  const again = await index.run({ documents: numbered(30) }, { embedder })
  expect(again).toMatchObject({ unchanged: 30 })
  expect(await index.run({ operation: 'verify' })).toMatchObject({
    verified: { checked: 30, problem_count: 0 },
  })
})

test('another chunking cuts the whole texts anew; the same documents are unchanged afterwards', async () => {
  const index = await openIndex()
  const documents = Array.from({ length: 5 }, (_, i) => ({
    id: `d${i}`,
    text: `  ${words(`w${i}n`, 80)}\n\n${words('z', 30)} `,
  }))
  const first = await index.run({ documents })
  expect(first.chunks).toBeGreaterThan(20)
  const result = await index.run({ ...reindex, chunk: { size: 400, overlap: 50 } })
  expect(result.chunks).toBeLessThan(first.chunks / 2)
  expect(await index.store.describe('documents')).toMatchObject({
    chunk: { size: 400, overlap: 50 },
    chunks: result.chunks,
  })
  index.embedder.calls.length = 0
  expect(await index.run({ documents })).toMatchObject({ unchanged: 5 })
  expect(index.embedder.calls).toEqual([])
})

test('without a word on chunks and with the same embedder every text is embedded again', async () => {
  const index = await openIndex()
  await index.run({ documents: numbered(4) })
  index.embedder.calls.length = 0
  expect(await index.run(reindex)).toMatchObject({ updated: 4, collection: { generation: 2 } })
  expect(index.embedder.calls.flat()).toHaveLength(4)
})

test('ready vectors of the same embedder are kept; for another one their text is embedded, and without a text they fail', async () => {
  const index = await openIndex()
  const vector = Array.from({ length: 16 }, (_, i) => i + 1)
  const documents = [
    { id: 'text', text: 'a text' },
    { id: 'both', vector, text: 'beside a vector' },
  ]
  await index.run({ documents, embedder: index.embedder.fingerprint })
  await index.run(reindex)
  expect((await index.search({ vector, k: 1 })).hits[0]).toMatchObject({
    id: 'both',
    score: expect.closeTo(1),
  })
  const embedder = other()
  await index.run(reindex, { embedder })
  expect((await index.search({ text: 'beside a vector', k: 1 }, embedder)).hits[0]?.id).toBe('both')
  const alone = [{ id: 'alone', vector: Array.from({ length: 24 }, (_, i) => i + 1) }]
  await index.run({ documents: alone, embedder: embedder.fingerprint }, { embedder })
  await expect(index.run(reindex)).rejects.toMatchObject({ name: 'NonRetryableError', code: 'NO_TEXT' })
  expect(await index.store.describe('documents')).toMatchObject({ embedder: embedder.fingerprint, count: 3 })
})

test('with on_error continue what cannot be embedded stays without a chunk, and an upsert brings it back', async () => {
  const index = await openIndex()
  await index.run({ documents: numbered(3) })
  const vector = Array.from({ length: 16 }, (_, i) => i + 1)
  await index.run({
    documents: [{ id: 'alone', vector, metadata: { kept: true } }],
    embedder: index.embedder.fingerprint,
  })
  const embedder = other()
  const result = await index.run({ ...reindex, on_error: 'continue' }, { embedder })
  expect(result).toMatchObject({
    updated: 3,
    failed: [{ id: 'alone', code: 'NO_TEXT' }],
    collection: { count: 4 },
  })
  expect((await index.search({ text: 'text', k: 10 }, embedder)).hits).toHaveLength(3)
  const verified = await index.run({ operation: 'verify' })
  expect(verified.verified?.problems).toMatchObject([{ id: 'alone', code: 'NO_CHUNKS' }])
  const back = await index.run(
    { operation: 'update', documents: [{ id: 'alone', text: 'found again' }] },
    { embedder },
  )
  expect(back).toMatchObject({ updated: 1 })
  const { hits } = await index.search({ text: 'found again', k: 1 }, embedder)
  expect(hits).toMatchObject([{ id: 'alone', metadata: { kept: true } }])
})

test('what others write and delete during a reindex is in the new generation, or not', async () => {
  const index = await openIndex()
  await index.run({ documents: numbered(20) })
  const writer = await openSqliteStore({ path: index.path })
  onTestFinished(() => writer.close())
  let calls = 0
  const store = intercept(index.store, 'writeBuild', async () => {
    if (++calls !== 3) return
    await index.run(
      {
        documents: [
          { id: 'doc-0', text: 'changed meanwhile' },
          { id: 'new', text: 'added meanwhile' },
        ],
      },
      { store: writer },
    )
    await index.run({ operation: 'delete', ids: ['doc-1', 'doc-19'] }, { store: writer })
  })
  const embedder = other()
  await index.run({ ...reindex, batch_size: 5 }, { embedder, store })
  expect(await index.store.describe('documents')).toMatchObject({ count: 19, generation: 2 })
  const found = async (text: string) => (await index.search({ text, k: 1 }, embedder)).hits[0]
  expect(await found('changed meanwhile')).toMatchObject({ id: 'doc-0', score: expect.closeTo(1) })
  expect(await found('added meanwhile')).toMatchObject({ id: 'new' })
  expect((await found('text number 19'))?.id).not.toBe('doc-19')
  expect(await index.run({ operation: 'verify' })).toMatchObject({
    verified: { checked: 19, problem_count: 0 },
  })
})

test('a retried reindex goes on with what is built, embeds nothing twice, and reports the whole', async () => {
  const index = await openIndex()
  await index.run({ documents: numbered(50) })
  const embedder = other()
  const stop = new AbortController()
  let checkpoint: Checkpoint | undefined
  const payload = { ...reindex, batch_size: 10 }
  const first = index.run(payload, {
    embedder,
    signal: stop.signal,
    onCheckpoint: (saved) => {
      if (saved.next === 30) stop.abort(new Error('stopped'))
      else checkpoint = saved
    },
  })
  await expect(first).rejects.toThrow('stopped')
  expect(await index.store.describe('documents')).toMatchObject({ generation: 1 })
  // the checkpoint of the last batch was lost: the store knows better
  expect(checkpoint?.next).toBe(20)
  const seen: number[] = []
  const result = await index.run(payload, {
    embedder,
    ...(checkpoint && { checkpoint }),
    onProgress: (done) => seen.push(done),
  })
  expect(embedder.calls.flat()).toHaveLength(50)
  expect(seen).toEqual([30, 40, 50])
  expect(result).toMatchObject({ updated: 50, collection: { count: 50, generation: 2 } })
})

test('a reindex that was delivered again after its swap swaps nothing and embeds nothing', async () => {
  const index = await openIndex()
  await index.run({ documents: numbered(5) })
  const embedder = other()
  let checkpoint: Checkpoint | undefined
  const first = await index.run(reindex, { embedder, onCheckpoint: (saved) => (checkpoint = saved) })
  embedder.calls.length = 0
  const again = await index.run(reindex, { embedder, ...(checkpoint && { checkpoint }) })
  expect(embedder.calls).toEqual([])
  expect(again).toMatchObject({ updated: first.updated, collection: { generation: 2 } })
})

test('of two reindexes with different embedders the later one wins, the earlier one swaps nothing', async () => {
  const index = await openIndex()
  await index.run({ documents: numbered(10) })
  const later = createWordEmbedder('later', 8)
  let isFirst = true
  const store = intercept(index.store, 'writeBuild', async () => {
    if (isFirst) await ((isFirst = false), index.run(reindex, { embedder: later }))
  })
  const earlier = index.run(reindex, { embedder: other(), store })
  await expect(earlier).rejects.toMatchObject({ name: 'NonRetryableError', code: 'REINDEX_SUPERSEDED' })
  expect(await index.store.describe('documents')).toMatchObject({ embedder: later.fingerprint, dim: 8 })
})

test('a reindex of no collection, for another embedder than it was meant for, or dry, changes nothing', async () => {
  const index = await openIndex()
  await expect(index.run(reindex)).rejects.toMatchObject({ code: 'COLLECTION_NOT_FOUND' })
  await index.run({ documents: numbered(3) })
  await expect(index.run({ ...reindex, embedder: 'another' })).rejects.toMatchObject({
    code: 'EMBEDDER_MISMATCH',
  })
  index.embedder.calls.length = 0
  expect(await index.run({ ...reindex, dry_run: true })).toMatchObject({
    updated: 3,
    collection: { generation: 1 },
  })
  expect(index.embedder.calls).toEqual([])
})

test('a cancelled reindex leaves the collection as it was, and another one goes on with what it built', async () => {
  const index = await openIndex()
  await index.run({ documents: numbered(20) })
  const embedder = other()
  const stop = new AbortController()
  const store = intercept(index.store, 'writeBuild', async () => {
    if (embedder.calls.length === 2) stop.abort(new Error('cancelled'))
  })
  const cancelled = index.run({ ...reindex, batch_size: 5 }, { embedder, store, signal: stop.signal })
  await expect(cancelled).rejects.toThrow('cancelled')
  expect(await index.search({ text: 'text number 3', k: 1 })).toMatchObject({ hits: [{ id: 'doc-3' }] })
  await index.run(reindex, { embedder })
  expect(embedder.calls.flat().length).toBeLessThanOrEqual(25)
  expect(rowsOf(index)).toEqual({ current: 20 })
})

test('a question that was embedded before a swap is not answered with vectors of another embedder', async () => {
  const index = await openIndex()
  await index.run({ documents: numbered(5) })
  const sameLength = createWordEmbedder('same length', 16)
  const store = intercept(
    index.store,
    'search',
    async () => void (await index.run(reindex, { embedder: sameLength })),
  )
  const input = searchInputSchema.parse({ text: 'text number 3' })
  const asked = searchVectors(input, { store, embedder: index.embedder }, new AbortController().signal)
  await expect(asked).rejects.toMatchObject({ code: 'EMBEDDER_MISMATCH' })
})

test('a verify that a reindex comes in between starts over', async () => {
  const index = await openIndex()
  await index.run({ documents: numbered(5) })
  let isFirst = true
  const store = intercept(index.store, 'read', async () => {
    if (isFirst) await ((isFirst = false), index.run(reindex, { embedder: other() }))
  })
  let checkpoint: Checkpoint | undefined
  const verify = { operation: 'verify' as const, batch_size: 2 }
  const first = index.run(verify, { store, onCheckpoint: (saved) => (checkpoint = saved) })
  await expect(first).rejects.toMatchObject({ name: 'RetryableError', code: 'CONTENTION' })
  const again = await index.run(verify, { ...(checkpoint && { checkpoint }) })
  expect(again).toMatchObject({ verified: { checked: 5, problem_count: 0 } })
})
