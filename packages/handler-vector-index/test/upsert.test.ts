import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { expect, test } from 'vitest'
import { openIndex, words } from './index-harness.js'
import { createWordEmbedder } from './word-embedder.js'

const numbered = (count: number, from = 0) =>
  Array.from({ length: count }, (_, i) => ({ id: `doc-${from + i}`, text: `text number ${from + i}` }))

/** Texts of the chunks of one document, as another program would read them. */
function chunksOf(path: string, id: string): unknown[] {
  const db = new DatabaseSync(path, { readOnly: true })
  try {
    const rows = db.prepare(
      'SELECT c.text FROM chunks c JOIN documents d ON d.key = c.document WHERE d.id = ? ORDER BY ordinal',
    )
    return rows.all(id).map((row) => row['text'])
  } finally {
    db.close()
  }
}

test('documents are inserted, found, and reported', async () => {
  const index = await openIndex()
  const result = await index.run({
    documents: ['the cat sat', { id: 'b', text: 'dogs bark', metadata: { n: 1 } }],
  })
  expect(result).toMatchObject({
    operation: 'upsert',
    inserted: 2,
    updated: 0,
    unchanged: 0,
    deleted: 0,
    failed: [],
    failed_count: 0,
    chunks: 2,
    collection: { count: 2, dim: 16, embedder: index.embedder.fingerprint, generation: 1 },
  })
  const { hits } = await index.search({ text: 'dogs bark', k: 1 })
  expect(hits).toEqual([{ id: 'b', score: expect.closeTo(1, 5), text: 'dogs bark', metadata: { n: 1 } }])
})

test('the same documents again, with an id or without: the embedder is called 0 times and all are unchanged', async () => {
  const index = await openIndex()
  const documents = [...numbered(500), 'a plain text', { source_id: 's', text: 'from a source' }]
  await index.run({ documents })
  index.embedder.calls.length = 0
  const again = await index.run({ documents })
  expect(index.embedder.calls).toEqual([])
  expect(again).toMatchObject({ inserted: 0, updated: 0, unchanged: 502, chunks: 0 })
})

test('the same 50,000 documents of a file again: the embedder is called 0 times, 50,000 are unchanged', async () => {
  const index = await openIndex()
  const count = 50_000
  const lines = Array.from({ length: count }, (_, i) => `{"id":"d${i}","text":"text number ${i % 1000}"}`)
  await writeFile(join(index.folder, 'docs.jsonl'), lines.join('\n'))
  const payload = { documents_ref: 'docs.jsonl', batch_size: 1000 }
  expect(await index.run(payload)).toMatchObject({ inserted: count })
  index.embedder.calls.length = 0
  expect(await index.run(payload)).toMatchObject({ inserted: 0, updated: 0, unchanged: count })
  expect(index.embedder.calls).toEqual([])
})

test('a ready vector with another text beside it, or another vector beside its text, is updated', async () => {
  const index = await openIndex()
  const write = (text: string | undefined, vector: number[]) =>
    index.run({ documents: [{ id: 'a', vector, ...(text !== undefined && { text }) }] })
  expect(await write('one', [1, 2])).toMatchObject({ inserted: 1 })
  expect(await write('one', [2, 4])).toMatchObject({ unchanged: 1 })
  expect(await write('two', [1, 2])).toMatchObject({ updated: 1 })
  expect(await write('two', [2, 1])).toMatchObject({ updated: 1 })
  expect(await write(undefined, [2, 1])).toMatchObject({ updated: 1 })
  expect((await index.search({ vector: [2, 1] })).hits).toMatchObject([{ id: 'a', text: null }])
})

test('a document without an id has the hash of its source_id, else of its text', async () => {
  const index = await openIndex()
  await index.run({ documents: [{ source_id: 'page', text: 'first version' }, 'page'] })
  const moved = await index.run({ documents: [{ source_id: 'page', text: 'second version' }, 'page'] })
  expect(moved).toMatchObject({ inserted: 0, updated: 1, unchanged: 1, collection: { count: 2 } })
})

/** `count` paragraphs that make a chunk each at a size of 100. */
function parts(prefix: string, count: number): string[] {
  return Array.from({ length: count }, (_, i) => words(`${prefix}${i}n`, 13))
}

test('a document updated from 5 chunks to 2 leaves exactly 2', async () => {
  const index = await openIndex()
  const write = (texts: string[]) =>
    index.run({ documents: [{ id: 'a', text: texts.join('\n\n') }], chunk: { size: 100, overlap: 0 } })
  expect(await write(parts('old', 5))).toMatchObject({ inserted: 1, chunks: 5 })
  expect(chunksOf(index.path, 'a')).toEqual(parts('old', 5))
  expect(await write(parts('new', 2))).toMatchObject({ updated: 1, chunks: 2, collection: { count: 1 } })
  expect(chunksOf(index.path, 'a')).toEqual(parts('new', 2))
  expect((await index.store.collections())[0]?.chunks).toBe(2)
})

test('only metadata changed: the document is updated and nothing is embedded', async () => {
  const index = await openIndex()
  await index.run({ documents: [{ id: 'a', text: 'same', metadata: { x: 1, y: 2 } }] })
  index.embedder.calls.length = 0
  const reordered = await index.run({ documents: [{ id: 'a', text: 'same', metadata: { y: 2, x: 1 } }] })
  expect(reordered).toMatchObject({ unchanged: 1 })
  const changed = await index.run({ documents: [{ id: 'a', text: 'same', metadata: { x: 3 } }] })
  expect(changed).toMatchObject({ updated: 1, chunks: 0 })
  expect(index.embedder.calls).toEqual([])
  expect((await index.search({ text: 'same' })).hits[0]?.metadata).toEqual({ x: 3 })
})

test('update changes what it names, keeps the rest, and fails for what is not there', async () => {
  const index = await openIndex()
  await index.run({ documents: [{ id: 'a', text: 'kept text', metadata: { n: 1 }, source_id: 's' }] })
  const metadata = await index.run({ operation: 'update', documents: [{ id: 'a', metadata: { n: 2 } }] })
  expect(metadata).toMatchObject({ updated: 1, chunks: 0 })
  const text = await index.run({ operation: 'update', documents: [{ id: 'a', text: 'other words' }] })
  expect(text).toMatchObject({ updated: 1, chunks: 1 })
  expect((await index.search({ text: 'other words' })).hits[0]).toMatchObject({ id: 'a', metadata: { n: 2 } })
  expect(await index.run({ operation: 'delete', source_ids: ['s'], dry_run: true })).toMatchObject({
    deleted: 1,
  })
  const documents = [{ id: 'none', text: 'x' }]
  await expect(index.run({ operation: 'update', documents })).rejects.toMatchObject({ code: 'NOT_FOUND' })
  const missing = await index.run({ operation: 'update', documents, on_error: 'continue', collection: 'new' })
  expect(missing).toMatchObject({ failed: [{ id: 'none', code: 'NOT_FOUND' }], collection: null })
})

test('the same id twice in one task: the last one stays', async () => {
  const index = await openIndex()
  const documents = [
    { id: 'a', text: 'first' },
    { id: 'b', text: 'between' },
    { id: 'a', text: 'last' },
  ]
  const result = await index.run({ documents })
  expect(result).toMatchObject({ inserted: 2, updated: 1, collection: { count: 2 } })
  expect(chunksOf(index.path, 'a')).toEqual(['last'])
})

test('insert_only keeps what is there; if_newer writes larger versions only', async () => {
  const index = await openIndex()
  const write = (text: string, mode: 'insert_only' | 'if_newer', version?: number) =>
    index.run({
      mode,
      documents: [{ id: 'a', text, ...(version !== undefined && { version }) }],
      on_error: 'continue',
    })
  expect(await write('one', 'if_newer', 5)).toMatchObject({ inserted: 1 })
  expect(await write('two', 'insert_only')).toMatchObject({ unchanged: 1 })
  expect(await write('three', 'if_newer', 5)).toMatchObject({ unchanged: 1 })
  expect(await write('four', 'if_newer', 4)).toMatchObject({ unchanged: 1 })
  expect(await write('five', 'if_newer')).toMatchObject({ failed: [{ id: 'a', code: 'VERSION_MISSING' }] })
  expect(chunksOf(index.path, 'a')).toEqual(['one'])
  expect(await write('six', 'if_newer', 6)).toMatchObject({ updated: 1 })
  expect(chunksOf(index.path, 'a')).toEqual(['six'])
})

test('another embedder is a permanent EMBEDDER_MISMATCH, for writing unchanged texts and for searching too', async () => {
  const index = await openIndex()
  await index.run({ documents: numbered(3) })
  const permanent = expect.objectContaining({ name: 'NonRetryableError', code: 'EMBEDDER_MISMATCH' })
  for (const other of [createWordEmbedder('other'), createWordEmbedder('words', 32)]) {
    await expect(index.run({ documents: numbered(3) }, { embedder: other })).rejects.toEqual(permanent)
    await expect(index.search({ text: 'text' }, other)).rejects.toEqual(permanent)
  }
  await expect(index.run({ documents: [{ vector: Array.from({ length: 16 }, () => 1) }] })).rejects.toEqual(
    permanent,
  )
  await expect(index.run({ documents: ['x'], embedder: 'claimed', collection: 'new' })).rejects.toEqual(
    permanent,
  )
  expect(await index.store.describe('new')).toBeNull()
})

test('ready vectors of the same embedder may join its texts when the payload says whose they are', async () => {
  const index = await openIndex()
  await index.run({ documents: ['a text'] })
  const vector = Array.from({ length: 16 }, (_, i) => i - 8)
  const documents = [{ id: 'v', vector, text: 'kept beside its vector' }]
  expect(await index.run({ documents, embedder: index.embedder.fingerprint })).toMatchObject({ inserted: 1 })
  expect((await index.search({ vector, k: 1 })).hits).toMatchObject([
    { id: 'v', text: 'kept beside its vector' },
  ])
})

test('a vector of another dimension is a permanent DIM_MISMATCH', async () => {
  const index = await openIndex()
  await index.run({ documents: [{ id: 'a', vector: [1, 2, 3] }] })
  const permanent = expect.objectContaining({ name: 'NonRetryableError', code: 'DIM_MISMATCH' })
  await expect(index.run({ documents: [{ id: 'b', vector: [1, 2] }] })).rejects.toEqual(permanent)
  await expect(index.search({ vector: [1, 2] })).rejects.toEqual(permanent)
})

test('a dry run counts and changes nothing', async () => {
  const index = await openIndex()
  await index.run({ documents: numbered(3) })
  index.embedder.calls.length = 0
  const documents = [...numbered(2), { id: 'doc-2', text: 'changed' }, 'new']
  const result = await index.run({ documents, dry_run: true })
  expect(result).toMatchObject({
    dry_run: true,
    inserted: 1,
    updated: 1,
    unchanged: 2,
    collection: { count: 3 },
  })
  expect(index.embedder.calls).toEqual([])
  expect(chunksOf(index.path, 'doc-2')).toEqual(['text number 2'])
})

test('a collection is cut as it was cut before, unless the payload says otherwise', async () => {
  const index = await openIndex()
  const documents = [{ id: 'a', text: words('w', 60) }]
  const chunk = { size: 200, overlap: 0 }
  const first = await index.run({ documents, chunk })
  expect(await index.run({ documents })).toMatchObject({ unchanged: 1 })
  const other = await index.run({ documents, chunk: { size: 100, overlap: 0 } })
  expect(other.chunks).toBeGreaterThan(first.chunks)
})
