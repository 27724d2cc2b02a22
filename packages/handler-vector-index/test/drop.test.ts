import { expect, test } from 'vitest'
import type { Checkpoint } from '../src/journal.js'
import { payloadSchema } from '../src/payload.js'
import { openIndex } from './index-harness.js'

const documents = Array.from({ length: 12 }, (_, i) => ({ id: `d${i}`, text: `text number ${i}` }))
const drop = { operation: 'drop' as const, collection: 'docs', confirm: 'docs' }

test('a drop without the name of its collection once more is refused before anything happens', () => {
  for (const payload of [
    { operation: 'drop', collection: 'docs' },
    { operation: 'drop', collection: 'docs', confirm: 'documents' },
    { operation: 'drop', confirm: '' },
  ]) {
    expect(payloadSchema.safeParse(payload).success).toBe(false)
  }
  expect(payloadSchema.safeParse({ operation: 'drop', confirm: 'documents' }).success).toBe(true)
})

test('a dropped collection is gone with all its rows, others stay, and it can be indexed anew with another embedder', async () => {
  const index = await openIndex()
  await index.run({ documents, collection: 'docs' })
  await index.run({ documents, collection: 'other' })
  expect(await index.run({ ...drop, dry_run: true })).toMatchObject({
    deleted: 12,
    collection: { count: 12 },
  })
  expect(await index.run(drop)).toMatchObject({ deleted: 12, chunks: 12, collection: null })
  await expect(index.search({ text: 'text', collection: 'docs' })).rejects.toMatchObject({
    code: 'COLLECTION_NOT_FOUND',
  })
  expect((await index.store.collections()).map(({ name }) => name)).toEqual(['other'])
  expect(await index.store.purge(10, { signal: new AbortController().signal })).toBe(0)
  const vectors = [{ id: 'v', vector: [1, 2, 3] }]
  expect(await index.run({ documents: vectors, collection: 'docs' })).toMatchObject({
    collection: { count: 1, dim: 3 },
  })
})

test('a drop that is delivered again reports what it dropped, and does not drop what was indexed since', async () => {
  const index = await openIndex()
  await index.run({ documents, collection: 'docs' })
  let checkpoint: Checkpoint | undefined
  await index.run(drop, { onCheckpoint: (saved) => (checkpoint = saved) })
  await index.run({ documents: documents.slice(0, 3), collection: 'docs' })
  const again = await index.run(drop, checkpoint && { checkpoint })
  expect(again).toMatchObject({ deleted: 12, collection: { count: 3 } })
})

test('a collection that is not there is no fault', async () => {
  const index = await openIndex()
  expect(await index.run(drop)).toMatchObject({ deleted: 0, collection: null })
})
