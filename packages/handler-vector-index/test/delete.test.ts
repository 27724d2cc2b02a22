import { expect, test } from 'vitest'
import { openIndex } from './index-harness.js'

async function openFilled() {
  const index = await openIndex()
  const documents = Array.from({ length: 30 }, (_, i) => ({
    id: `d${i}`,
    text: `text number ${i}`,
    source_id: `source-${i % 3}`,
    metadata: { lang: i % 2 === 0 ? 'en' : 'de' },
  }))
  await index.run({ documents })
  return index
}

test('a document that is named twice is counted once, in a dry run too', async () => {
  const index = await openIndex()
  await index.run({ documents: [{ id: 'a', text: 'text' }] })
  const twice = { operation: 'delete' as const, ids: ['a', 'a'], batch_size: 1 }
  expect(await index.run({ ...twice, dry_run: true })).toMatchObject({ deleted: 1 })
  expect(await index.run(twice)).toMatchObject({ deleted: 1 })
})

test('ids that are there are deleted, in transactions of batch_size, and others are no fault', async () => {
  const index = await openFilled()
  const ids = [...Array.from({ length: 12 }, (_, i) => `d${i}`), 'none']
  const seen: number[] = []
  const result = await index.run(
    { operation: 'delete', ids, batch_size: 5 },
    { onProgress: (done) => seen.push(done) },
  )
  expect(result).toMatchObject({ operation: 'delete', deleted: 12, chunks: 12, collection: { count: 18 } })
  expect(seen).toEqual([5, 10, 12])
  const { hits } = await index.search({ text: 'text number 3', k: 30 })
  expect(hits).toHaveLength(18)
  expect(hits.map(({ id }) => id)).not.toContain('d3')
})

test('by source, by filter, and everything', async () => {
  const index = await openFilled()
  expect(await index.run({ operation: 'delete', source_ids: ['source-1'] })).toMatchObject({ deleted: 10 })
  expect(await index.run({ operation: 'delete', filter: { lang: 'de' } })).toMatchObject({ deleted: 10 })
  expect(await index.run({ operation: 'delete', all: true, batch_size: 3 })).toMatchObject({
    deleted: 10,
    collection: { count: 0, dim: 16 },
  })
  expect((await index.search({ text: 'text' })).hits).toEqual([])
})

test('a dry run counts and deletes nothing', async () => {
  const index = await openFilled()
  const dry = await index.run({ operation: 'delete', filter: { lang: 'en' }, dry_run: true })
  expect(dry).toMatchObject({ deleted: 15, collection: { count: 30 } })
})

test('a delete delivered twice, and one in a collection that is not there, do no harm', async () => {
  const index = await openFilled()
  const again = { operation: 'delete' as const, ids: ['d1'] }
  expect(await index.run(again)).toMatchObject({ deleted: 1 })
  expect(await index.run(again)).toMatchObject({ deleted: 0, collection: { count: 29 } })
  expect(await index.run({ ...again, collection: 'none' })).toMatchObject({ deleted: 0, collection: null })
})

test('a document that is indexed again after its delete is found again', async () => {
  const index = await openFilled()
  await index.run({ operation: 'delete', ids: ['d1'] })
  expect(await index.run({ documents: [{ id: 'd1', text: 'text number 1' }] })).toMatchObject({ inserted: 1 })
  expect((await index.search({ text: 'text number 1', k: 1 })).hits[0]?.id).toBe('d1')
})
