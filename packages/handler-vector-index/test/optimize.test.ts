import { DatabaseSync } from 'node:sqlite'
import { expect, test } from 'vitest'
import { openIndex } from './index-harness.js'

const vectors = (count: number) =>
  Array.from({ length: count }, (_, i) => ({
    id: `d${i}`,
    vector: Array.from({ length: 64 }, (_unused, d) => Math.sin(i * 64 + d)),
    text: `text ${i} `.repeat(20),
  }))
const optimize = { operation: 'optimize' as const }

test('deleted rows give their space back to the disk, and the bytes before and after are told', async () => {
  const index = await openIndex()
  await index.run({ documents: vectors(4000), batch_size: 1000 })
  await index.run(optimize)
  await index.run({ operation: 'delete', all: true })
  const dry = await index.run({ ...optimize, dry_run: true })
  expect(dry.bytes?.after).toBe(dry.bytes?.before)
  const { bytes } = await index.run(optimize)
  expect(bytes?.before).toBe(dry.bytes?.before)
  expect(bytes?.before).toBeGreaterThan(2_000_000)
  expect(bytes?.after).toBeLessThan(200_000)
  expect(bytes?.after).toBe(await index.store.size())
})

test('the generation that a reindex replaced, and a dropped collection, leave nothing in the file', async () => {
  const index = await openIndex()
  await index.run({ documents: vectors(500) })
  await index.run({ documents: vectors(2000), collection: 'other' })
  const { bytes: first } = await index.run(optimize)
  await index.run({ operation: 'drop', collection: 'other', confirm: 'other' })
  const { bytes: second } = await index.run(optimize)
  expect(second?.after).toBeLessThan((first?.after ?? 0) / 2)
  expect((await index.search({ vector: vectors(1)[0]?.vector, k: 1 })).hits).toMatchObject([{ id: 'd0' }])
})

test('what a killed purge left is removed by the next optimize; a build of today is kept, a forsaken one is not', async () => {
  const index = await openIndex()
  await index.run({ documents: vectors(100) })
  await index.run({ documents: vectors(50), collection: 'other' })
  const { signal } = new AbortController()
  await index.store.drop('other', { signal })
  const spec = { collection: 'documents', embedder: 'new', dim: 2, chunk: null }
  const { generation } = await index.store.build(spec, { signal })
  await index.run(optimize)
  expect((await index.store.build(spec, { signal })).generation).toBe(generation)
  const db = new DatabaseSync(index.path)
  db.exec(`UPDATE generations SET updated_at = updated_at - 86400001 WHERE state = 'building'`)
  await index.run(optimize)
  const states = db.prepare('SELECT state FROM generations').all()
  db.close()
  expect(states).toEqual([{ state: 'current' }])
  expect((await index.store.build(spec, { signal })).generation).toBe(generation + 1)
})

test('an optimize is cancelled between two slices', async () => {
  const index = await openIndex()
  await index.run({ documents: vectors(2000), batch_size: 1000 })
  const { signal } = new AbortController()
  await index.store.drop('documents', { signal })
  const stop = new AbortController()
  const cancelled = index.run(optimize, {
    signal: stop.signal,
    onProgress: () => stop.abort(new Error('cancelled')),
  })
  await expect(cancelled).rejects.toThrow('cancelled')
  expect(await index.store.purge(1, { signal })).toBe(1)
})
