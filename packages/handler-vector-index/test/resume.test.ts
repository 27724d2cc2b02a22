import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openDocuments } from '../src/documents.js'
import type { Checkpoint } from '../src/journal.js'
import { payloadSchema } from '../src/payload.js'
import type { VectorStore } from '../src/store.js'
import { openIndex } from './index-harness.js'
import { createWordEmbedder } from './word-embedder.js'

const numbered = (count: number, from = 0) =>
  Array.from({ length: count }, (_, i) => ({ id: `doc-${from + i}`, text: `text number ${from + i}` }))

test('a JSON array and a JSONL file are indexed alike', async () => {
  const index = await openIndex()
  await writeFile(join(index.folder, 'a.json'), JSON.stringify(['plain', ...numbered(30)], null, 2))
  await writeFile(
    join(index.folder, 'a.jsonl'),
    ['plain', ...numbered(30)].map((d) => JSON.stringify(d)).join('\n'),
  )
  expect(await index.run({ documents_ref: 'a.json' })).toMatchObject({ inserted: 31 })
  expect(await index.run({ documents_ref: 'a.jsonl' })).toMatchObject({ unchanged: 31 })
})

test('each committed batch leaves a checkpoint, and a retried task goes on from it with its counts', async () => {
  const index = await openIndex()
  const documents = numbered(50)
  const checkpoints: Checkpoint[] = []
  const stop = new AbortController()
  const first = index.run(
    { documents, batch_size: 10 },
    {
      signal: stop.signal,
      onCheckpoint: (checkpoint) => {
        checkpoints.push(checkpoint)
        if (checkpoints.length === 3) stop.abort(new Error('stopped'))
      },
    },
  )
  await expect(first).rejects.toThrow('stopped')
  expect(checkpoints.map(({ next }) => next)).toEqual([10, 20, 30])
  expect((await index.store.describe('documents'))?.count).toBe(30)
  index.embedder.calls.length = 0
  const seen: number[] = []
  const [, , checkpoint] = checkpoints
  const result = await index.run(
    { documents, batch_size: 10 },
    { ...(checkpoint && { checkpoint }), onProgress: (done) => seen.push(done) },
  )
  expect(seen).toEqual([30, 40, 50])
  expect(index.embedder.calls.flat()).toHaveLength(20)
  expect(result).toMatchObject({ inserted: 50, unchanged: 0, collection: { count: 50 } })
})

test('a checkpoint of another file is not used', async () => {
  const index = await openIndex()
  const file = join(index.folder, 'docs.jsonl')
  await writeFile(
    file,
    numbered(20)
      .map((d) => JSON.stringify(d))
      .join('\n'),
  )
  let last: Checkpoint | undefined
  await index.run({ documents_ref: 'docs.jsonl' }, { onCheckpoint: (checkpoint) => (last = checkpoint) })
  await writeFile(
    file,
    numbered(25, 100)
      .map((d) => JSON.stringify(d))
      .join('\n'),
  )
  const result = await index.run(
    { documents_ref: 'docs.jsonl' },
    last === undefined ? {} : { checkpoint: last },
  )
  expect(result).toMatchObject({ inserted: 25, collection: { count: 45 } })
})

test('a cancel is honoured within a batch: nothing of it is written', async () => {
  const index = await openIndex()
  const stop = new AbortController()
  const embedder = createWordEmbedder()
  const slow = {
    ...embedder,
    embed: (...args: Parameters<typeof embedder.embed>) => (
      stop.abort(new Error('cancelled')),
      embedder.embed(...args)
    ),
  }
  await expect(
    index.run({ documents: numbered(500), batch_size: 500 }, { embedder: slow, signal: stop.signal }),
  ).rejects.toThrow('cancelled')
  expect(embedder.calls.length).toBeLessThan(2)
  expect(await index.store.describe('documents')).toBeNull()
})

test('documents_ref without a documentsRoot is refused', async () => {
  const payload = payloadSchema.parse({ documents_ref: 'x.jsonl' })
  if (payload.operation !== 'upsert') throw new Error('expected an upsert')
  await expect(openDocuments(payload, null)).rejects.toMatchObject({ code: 'DOCUMENTS_REF_DISABLED' })
})

/** The worker dies after the commit of the step that reaches `next`, before the queue hears of it. */
function dieAt(next: number): {
  onCheckpoint: (saved: Checkpoint) => void
  last: () => Checkpoint | undefined
} {
  let last: Checkpoint | undefined
  return {
    last: () => last,
    onCheckpoint(saved) {
      if (saved.next === next) throw new Error('killed')
      last = saved
    },
  }
}

test('a kill between the commit and the checkpoint: the retried task counts its own batch as its own', async () => {
  const index = await openIndex()
  const payload = {
    documents: [...numbered(45), { id: 'bad', text: ' ' }],
    batch_size: 10,
    on_error: 'continue' as const,
  }
  const { onCheckpoint, last } = dieAt(30)
  await expect(index.run(payload, { task: 't', onCheckpoint })).rejects.toThrow('killed')
  expect(last()?.next).toBe(20)
  index.embedder.calls.length = 0
  const checkpoint = last()
  const result = await index.run(payload, { task: 't', ...(checkpoint && { checkpoint }) })
  expect(result).toMatchObject({ inserted: 45, unchanged: 0, chunks: 45, failed_count: 1 })
  expect(index.embedder.calls.flat()).toHaveLength(15)
  expect(await index.store.readMark('t')).toBeNull()
})

test('a kill between the commit and the checkpoint of a delete: the retried task reports all that it deleted', async () => {
  const index = await openIndex()
  await index.run({ documents: numbered(25) })
  const payload = { operation: 'delete' as const, all: true as const, batch_size: 10 }
  await expect(index.run(payload, { task: 't', onCheckpoint: dieAt(20).onCheckpoint })).rejects.toThrow(
    'killed',
  )
  expect(await index.run(payload, { task: 't' })).toMatchObject({
    deleted: 25,
    chunks: 25,
    collection: { count: 0 },
  })
})

test('a kill after a batch of which another writer had one document: the rest is not counted twice', async () => {
  const index = await openIndex()
  const documents = numbered(10)
  let rounds = 0
  const store: VectorStore = {
    ...index.store,
    write: async (batch, options) => {
      rounds++
      if (rounds === 2) throw new Error('killed')
      await index.run({ documents: [{ id: 'doc-3', text: 'of another writer' }] })
      return index.store.write(batch, options)
    },
  }
  await expect(index.run({ documents }, { task: 't', store })).rejects.toThrow('killed')
  index.embedder.calls.length = 0
  const result = await index.run({ documents }, { task: 't' })
  expect(index.embedder.calls.flat()).toEqual(['text number 3'])
  expect(result).toMatchObject({ inserted: 9, updated: 1, unchanged: 0, collection: { count: 10 } })
})

test('a kill after two rounds of a batch that other writers got in between: what the first wrote is not counted again', async () => {
  const index = await openIndex()
  const documents = numbered(10)
  const others = [['doc-3', 'doc-5'], ['doc-5']]
  let rounds = 0
  const store: VectorStore = {
    ...index.store,
    write: async (batch, options) => {
      const ids = others[rounds++]
      if (ids === undefined) throw new Error('killed')
      await index.run({ documents: ids.map((id) => ({ id, text: `of another writer ${rounds}` })) })
      return index.store.write(batch, options)
    },
  }
  await expect(index.run({ documents }, { task: 't', store })).rejects.toThrow('killed')
  const result = await index.run({ documents }, { task: 't' })
  expect(result).toMatchObject({ inserted: 8, updated: 2, unchanged: 0, collection: { count: 10 } })
})

test('where the checkpoint and the mark stand at one position, the mark is believed: it knows what of the batch is done', async () => {
  const index = await openIndex()
  const documents = numbered(20)
  let checkpoint: Checkpoint | undefined
  let writes = 0
  const store: VectorStore = {
    ...index.store,
    write: async (batch, options) => {
      writes++
      if (writes === 3) throw new Error('killed')
      if (writes === 2) await index.run({ documents: [{ id: 'doc-13', text: 'of another writer' }] })
      return index.store.write(batch, options)
    },
  }
  const onCheckpoint = (saved: Checkpoint) => (checkpoint = saved)
  const payload = { documents, batch_size: 10 }
  await expect(index.run(payload, { task: 't', store, onCheckpoint })).rejects.toThrow('killed')
  expect(checkpoint?.next).toBe(10)
  const result = await index.run(payload, { task: 't', ...(checkpoint && { checkpoint }) })
  expect(result).toMatchObject({ inserted: 19, updated: 1, unchanged: 0, collection: { count: 20 } })
})

test('a mark of another source is not used', async () => {
  const index = await openIndex()
  await expect(
    index.run(
      { documents: numbered(20), batch_size: 10 },
      { task: 't', onCheckpoint: dieAt(20).onCheckpoint },
    ),
  ).rejects.toThrow('killed')
  await writeFile(join(index.folder, 'a.jsonl'), JSON.stringify({ id: 'x', text: 'of a file' }))
  expect(await index.run({ documents_ref: 'a.jsonl' }, { task: 't' })).toMatchObject({
    inserted: 1,
    unchanged: 0,
  })
})

test('what a task left is not used by another one of its id with other documents', async () => {
  const index = await openIndex()
  const stop = new AbortController()
  const first = index.run(
    { documents: numbered(20), batch_size: 10 },
    { task: 't', signal: stop.signal, onCheckpoint: () => stop.abort(new Error('stopped')) },
  )
  await expect(first).rejects.toThrow('stopped')
  const others = await index.run({ documents: numbered(20, 100), batch_size: 10 }, { task: 't' })
  expect(others).toMatchObject({ inserted: 20, collection: { count: 30 } })
})

test('a dry run leaves neither a checkpoint nor a mark, so that the same task can be run in earnest', async () => {
  const index = await openIndex()
  const checkpoints: Checkpoint[] = []
  const given = { task: 't', onCheckpoint: (saved: Checkpoint) => checkpoints.push(saved) }
  const payload = { documents: numbered(20), batch_size: 10 }
  expect(await index.run({ ...payload, dry_run: true }, given)).toMatchObject({ inserted: 20 })
  await index.run(payload)
  for (const operation of ['sync', 'update'] as const)
    await index.run({ ...payload, operation, dry_run: true }, given)
  await index.run({ operation: 'delete', all: true, dry_run: true }, given)
  expect(checkpoints).toEqual([])
  expect(await index.store.readMark('t')).toBeNull()
})

test('what a delete left is not used by another one of its id, of other ids or of another collection', async () => {
  const index = await openIndex()
  for (const collection of ['documents', 'others']) await index.run({ collection, documents: numbered(30) })
  const ids = numbered(20).map(({ id }) => id)
  const first = { operation: 'delete' as const, ids, batch_size: 10 }
  await expect(index.run(first, { task: 't', onCheckpoint: dieAt(20).onCheckpoint })).rejects.toThrow(
    'killed',
  )
  const others = { ...first, collection: 'others' }
  expect(await index.run(others, { task: 't' })).toMatchObject({ deleted: 20, collection: { count: 10 } })
  await expect(
    index.run({ ...first, ids: ['doc-20'] }, { task: 't', onCheckpoint: dieAt(1).onCheckpoint }),
  ).rejects.toThrow('killed')
  const filter = { operation: 'delete' as const, all: true as const }
  expect(await index.run(filter, { task: 't' })).toMatchObject({ deleted: 9, collection: { count: 0 } })
})

const dropOf = (collection: string) => ({ operation: 'drop' as const, collection, confirm: collection })

test('a drop is not taken for done because another one of its id was', async () => {
  const index = await openIndex()
  for (const collection of ['documents', 'others']) await index.run({ collection, documents: numbered(5) })
  await expect(
    index.run(dropOf('documents'), { task: 't', onCheckpoint: dieAt(1).onCheckpoint }),
  ).rejects.toThrow('killed')
  expect(await index.run(dropOf('others'), { task: 't' })).toMatchObject({ deleted: 5, collection: null })
})

test('what an upsert left is not used by another one of its id with the same documents', async () => {
  const index = await openIndex()
  const payload = { documents: numbered(20), batch_size: 10 }
  await expect(index.run(payload, { task: 't', onCheckpoint: dieAt(20).onCheckpoint })).rejects.toThrow(
    'killed',
  )
  const elsewhere = await index.run({ ...payload, collection: 'others' }, { task: 't' })
  expect(elsewhere).toMatchObject({ inserted: 20, collection: { count: 20 } })
  await writeFile(
    join(index.folder, 'a.jsonl'),
    numbered(20)
      .map((d) => JSON.stringify(d))
      .join('\n'),
  )
  const file = { documents_ref: 'a.jsonl', batch_size: 10 }
  await expect(index.run(file, { task: 't', onCheckpoint: dieAt(20).onCheckpoint })).rejects.toThrow('killed')
  const third = await index.run({ ...file, collection: 'third' }, { task: 't' })
  expect(third).toMatchObject({ inserted: 20, collection: { count: 20 } })
})
