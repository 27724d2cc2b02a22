import { writeFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { type DocumentSource, type Entry, openDocuments } from '../src/documents.js'
import type { Checkpoint } from '../src/journal.js'
import { optionsSchema } from '../src/options.js'
import { payloadSchema } from '../src/payload.js'
import { createSeenIds } from '../src/seen-ids.js'
import type { VectorStore } from '../src/store.js'
import { syncDocuments } from '../src/sync.js'
import { contextOf, type IndexHarness, openIndex, silentMetrics } from './index-harness.js'

const numbered = (count: number, from = 0) =>
  Array.from({ length: count }, (_, i) => ({ id: `doc-${from + i}`, text: `text number ${from + i}` }))
const fromSource = (source_id: string, count: number) =>
  Array.from({ length: count }, (_, i) => ({
    id: `${source_id}-${i}`,
    source_id,
    text: `${source_id} text ${i}`,
  }))
const jsonl = (documents: readonly unknown[]) => documents.map((one) => JSON.stringify(one)).join('\n')

async function idsOf({ store }: IndexHarness): Promise<string[]> {
  const { documents } = await store.list({ collection: 'documents', after: null, limit: 1000 })
  return documents.map(({ id }) => id).toSorted()
}

test('the collection becomes exactly what the source holds, and only what differs is embedded', async () => {
  const index = await openIndex()
  await index.run({ documents: numbered(30) })
  index.embedder.calls.length = 0
  const documents = [...numbered(10, 5), { id: 'doc-15', text: 'changed' }, ...numbered(3, 100)]
  const result = await index.run({ operation: 'sync', documents, batch_size: 4 })
  expect(result).toMatchObject({ inserted: 3, updated: 1, unchanged: 10, deleted: 19, warnings: [] })
  expect(index.embedder.calls.flat()).toEqual([
    'changed',
    'text number 100',
    'text number 101',
    'text number 102',
  ])
  expect(await idsOf(index)).toEqual(documents.map(({ id }) => id).toSorted())
  const again = await index.run({ operation: 'sync', documents })
  expect(again).toMatchObject({ inserted: 0, updated: 0, unchanged: 14, deleted: 0 })
})

test('documents without an id are recognised by their source, their text or their vector', async () => {
  const index = await openIndex()
  const documents = ['a plain text', { source_id: 'page', text: 'of a page' }]
  await index.run({ documents: [...documents, 'another text'] })
  expect(await index.run({ operation: 'sync', documents })).toMatchObject({ unchanged: 2, deleted: 1 })
  const vectors = [{ vector: [1, 2] }, { vector: [3, 4] }]
  await index.run({ documents: vectors, collection: 'vectors' })
  const result = await index.run({ operation: 'sync', documents: vectors.slice(1), collection: 'vectors' })
  expect(result).toMatchObject({ unchanged: 1, deleted: 1, collection: { count: 1 } })
})

test('a scope of sources bounds what is deleted, and a document outside of it fails', async () => {
  const index = await openIndex()
  await index.run({
    documents: [...fromSource('a', 6), ...fromSource('b', 6), ...fromSource('c', 6), ...numbered(2)],
  })
  const sync = { operation: 'sync' as const, source_ids: ['a', 'b'] }
  const result = await index.run({ ...sync, documents: fromSource('a', 2) })
  expect(result).toMatchObject({ unchanged: 2, deleted: 10, collection: { count: 10 } })
  const outside = {
    ...sync,
    documents: [...fromSource('a', 2), ...fromSource('c', 1), { id: 'none', text: 'no source' }],
  }
  await expect(index.run(outside)).rejects.toMatchObject({ code: 'OUT_OF_SCOPE' })
  expect(await index.run({ ...outside, on_error: 'continue' })).toMatchObject({
    failed: [
      { id: 'c-0', code: 'OUT_OF_SCOPE' },
      { id: 'none', code: 'OUT_OF_SCOPE' },
    ],
    deleted: 0,
    collection: { count: 10 },
  })
})

test('a document that moves out of the scope after it was listed is not deleted', async () => {
  const index = await openIndex()
  await index.run({ documents: fromSource('a', 4) })
  let lists = 0
  const store: VectorStore = {
    ...index.store,
    async list(question) {
      const page = await index.store.list(question)
      lists++
      // another task gets in between the list and the delete
      await index.run({ documents: [{ id: 'a-2', source_id: 'b', text: 'a text 2' }] })
      return page
    },
  }
  const documents = fromSource('a', 1)
  const result = await index.run({ operation: 'sync', source_ids: ['a'], documents }, { store })
  expect(lists).toBe(1)
  expect(result).toMatchObject({ unchanged: 1, deleted: 2, collection: { count: 2 } })
  expect(await idsOf(index)).toEqual(['a-0', 'a-2'])
})

test('an empty source deletes nothing unless the payload says so', async () => {
  const index = await openIndex()
  await index.run({ documents: numbered(5) })
  expect(payloadSchema.safeParse({ operation: 'sync', documents: [] }).success).toBe(false)
  await writeFile(join(index.folder, 'empty.jsonl'), '\n\n')
  const empty = { operation: 'sync' as const, documents_ref: 'empty.jsonl' }
  await expect(index.run(empty)).rejects.toMatchObject({ name: 'NonRetryableError', code: 'EMPTY_SYNC' })
  expect((await index.store.describe('documents'))?.count).toBe(5)
  expect(await index.run({ ...empty, allow_empty: true as const })).toMatchObject({
    deleted: 5,
    collection: { count: 0 },
  })
  expect(await index.run({ operation: 'sync', documents: [], allow_empty: true as const })).toMatchObject({
    deleted: 0,
  })
})

test('a document that fails is not taken for deleted; where one has no readable id nothing is deleted', async () => {
  const index = await openIndex()
  await index.run({ documents: numbered(6) })
  const broken = [{ id: 'doc-0', text: ' ' }, ...numbered(2, 1), { id: 'doc-3', vector: [0, 0] }]
  const result = await index.run({ operation: 'sync', documents: broken, on_error: 'continue' })
  expect(result).toMatchObject({ deleted: 2, failed_count: 2, warnings: [] })
  expect(await idsOf(index)).toEqual(['doc-0', 'doc-1', 'doc-2', 'doc-3'])
  await writeFile(join(index.folder, 'torn.jsonl'), `${jsonl(numbered(1))}\n{"id":"doc-2","te`)
  const torn = { operation: 'sync' as const, documents_ref: 'torn.jsonl' }
  await expect(index.run(torn)).rejects.toMatchObject({ code: 'INVALID_JSON' })
  const skipped = await index.run({ ...torn, on_error: 'continue' })
  expect(skipped).toMatchObject({ deleted: 0, unchanged: 1, failed_count: 1, warnings: ['DELETES_SKIPPED'] })
  expect(await idsOf(index)).toHaveLength(4)
})

test('a dry run says what would be deleted and changes nothing', async () => {
  const index = await openIndex()
  await index.run({ documents: numbered(8) })
  const result = await index.run({
    operation: 'sync',
    documents: [...numbered(2), 'new'],
    dry_run: true,
    batch_size: 3,
  })
  expect(result).toMatchObject({ inserted: 1, unchanged: 2, deleted: 6, collection: { count: 8 } })
  expect(await idsOf(index)).toHaveLength(8)
})

test('a retried sync goes on from its checkpoint, knows what its first delivery wrote, and reports the whole', async () => {
  const index = await openIndex()
  await index.run({ documents: numbered(20) })
  await writeFile(join(index.folder, 'docs.jsonl'), jsonl(numbered(30, 10)))
  const payload = { operation: 'sync' as const, documents_ref: 'docs.jsonl', batch_size: 10 }
  const stop = new AbortController()
  let checkpoint: Checkpoint | undefined
  const first = index.run(payload, {
    signal: stop.signal,
    onCheckpoint: (saved) => {
      checkpoint = saved
      if (saved.next === 20) stop.abort(new Error('stopped'))
    },
  })
  await expect(first).rejects.toThrow('stopped')
  index.embedder.calls.length = 0
  const progress: number[] = []
  const result = await index.run(payload, {
    ...(checkpoint && { checkpoint }),
    onProgress: (done) => progress.push(done),
  })
  expect(index.embedder.calls.flat()).toHaveLength(10)
  expect(result).toMatchObject({ inserted: 20, unchanged: 10, deleted: 10, collection: { count: 30 } })
  expect(progress).toEqual(progress.toSorted((a, b) => a - b))
  expect(progress[0]).toBe(20)
})

test('a retried sync deletes nothing where its first delivery met an entry without a readable id', async () => {
  const index = await openIndex()
  await index.run({ documents: numbered(20) })
  await writeFile(
    join(index.folder, 'docs.jsonl'),
    `${jsonl(numbered(5))}\n{"id":"doc-9","te\n${jsonl(numbered(5, 5))}`,
  )
  const payload = {
    operation: 'sync' as const,
    documents_ref: 'docs.jsonl',
    batch_size: 4,
    on_error: 'continue' as const,
  }
  const stop = new AbortController()
  let checkpoint: Checkpoint | undefined
  const first = index.run(payload, {
    signal: stop.signal,
    onCheckpoint: (saved) => {
      checkpoint = saved
      if (saved.next === 8) stop.abort(new Error('stopped'))
    },
  })
  await expect(first).rejects.toThrow('stopped')
  const result = await index.run(payload, { ...(checkpoint && { checkpoint }) })
  expect(result).toMatchObject({
    unchanged: 10,
    deleted: 0,
    failed: [{ id: '#5', code: 'INVALID_JSON' }],
    warnings: ['DELETES_SKIPPED'],
    collection: { count: 20 },
  })
})

test('a sync reads each entry of its source once; a retried one those before its checkpoint too', async () => {
  const index = await openIndex()
  const payload = payloadSchema.parse({ operation: 'sync', documents: numbered(30), batch_size: 10 })
  if (payload.operation !== 'sync') throw new Error('expected a sync')
  const inner = await openDocuments(payload, null)
  const read: number[] = []
  function* noted(entries: Iterable<Entry>): Generator<Entry> {
    for (const entry of entries) {
      read.push(entry.position)
      yield entry
    }
  }
  const source: DocumentSource = {
    ...inner,
    async *entries(from) {
      for await (const entries of inner.entries(from)) yield noted(entries)
    },
  }
  const options = optionsSchema.parse({})
  const deps = { store: index.store, embedder: index.embedder, metrics: silentMetrics, options }
  let checkpoint: Checkpoint | undefined
  const keepFirst = (saved: Checkpoint) => (checkpoint ??= saved)
  await syncDocuments(payload, source, deps, contextOf({ onCheckpoint: keepFirst }))
  expect(read).toEqual(Array.from({ length: 30 }, (_, i) => i))
  read.length = 0
  expect(checkpoint?.next).toBe(10)
  await syncDocuments(payload, source, deps, contextOf({ ...(checkpoint && { checkpoint }) }))
  // the one at the checkpoint is met by both readings
  expect(read.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 31 }, (_, i) => (i > 10 ? i - 1 : i)))
})

test('a file that changes under a sync deletes nothing', async () => {
  const index = await openIndex()
  await index.run({ documents: numbered(5) })
  const file = join(index.folder, 'docs.jsonl')
  await writeFile(file, jsonl(numbered(2)))
  const sync = index.run(
    { operation: 'sync', documents_ref: 'docs.jsonl', batch_size: 1 },
    { onCheckpoint: () => writeFileSync(file, jsonl(numbered(1, 90))) },
  )
  await expect(sync).rejects.toMatchObject({ name: 'RetryableError', code: 'DOCUMENTS_REF_CHANGED' })
  expect(await idsOf(index)).toHaveLength(5)
})

test('ids are remembered once, however many', () => {
  const seen = createSeenIds()
  for (let from = 0; from < 50_000; from += 1000) {
    const ids = Array.from({ length: 1000 }, (_, i) => `id ${from + i} ${'x'.repeat(50)}`)
    seen.add(ids)
    seen.add(ids.slice(0, 10))
  }
  expect(seen.size()).toBe(50_000)
  expect(seen.has(`id 49999 ${'x'.repeat(50)}`)).toBe(true)
  expect(seen.has('id 49999')).toBe(false)
  seen.close()
})
