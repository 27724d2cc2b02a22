// oxlint-disable vitest/valid-title, vitest/no-conditional-expect -- an engine is held to what its capabilities say
import { expect, test } from 'vitest'
import type { BuildDocument, GenerationSpec, StoreCapabilities, VectorStore } from '../../src/store.js'
import {
  type StoreFactory,
  signal,
  chunk,
  document,
  many,
  write,
  search,
  remove,
  ids,
  revision,
  listAll,
} from './scene.js'

const SPEC: GenerationSpec = { collection: 'c', embedder: 'new', dim: 3, chunk: { size: 500, overlap: 0 } }

async function copiesOf(store: VectorStore, names: readonly string[]): Promise<BuildDocument[]> {
  const stored = await store.lookup('c', names)
  return [...stored].map(([id, { revision: seen }]) => ({
    id,
    seen,
    contentHash: `new hash of ${id}`,
    joints: '[]',
    chunks: [{ text: `new ${id}`, vector: Float32Array.of(0, 0, 1) }],
  }))
}

async function fillBuild(store: VectorStore, generation: number): Promise<number> {
  const missing = await listAll(store, 1000, { missingFrom: generation })
  const documents = await copiesOf(store, missing)
  if (documents.length > 0) await store.writeBuild({ collection: 'c', generation, documents }, { signal })
  return missing.length
}

export function testGenerations(open: StoreFactory, { bareDocuments, staleness }: StoreCapabilities): void {
  const fresh = async () => (await open()).store

  test('a generation is built beside the one that is searched, swapped at once, and the old one is purged', async () => {
    const store = await fresh()
    await write(store, [
      { ...document('a', null, [chunk(1, 0, 'old')]), sourceId: 's', version: 2, metadata: '{"n":1}' },
    ])
    const seen = await revision(store, 'a')
    const { generation, count } = await store.build(SPEC, { signal })
    expect([generation, count]).toEqual([2, 0])
    expect(await store.promote('c', generation, { signal })).toBe('incomplete')
    expect(await fillBuild(store, generation)).toBe(1)
    expect(await search(store, 1, 0)).toMatchObject([{ id: 'a', text: 'old' }])
    expect(await store.describe('c')).toMatchObject({ generation: 1, embedder: 'e', dim: 2 })
    expect(await store.promote('c', generation, { signal })).toBe('promoted')
    expect(await store.promote('c', generation, { signal })).toBe('promoted')
    expect(await store.describe('c')).toEqual({
      ...SPEC,
      collection: undefined,
      name: 'c',
      generation: 2,
      count: 1,
      chunks: 1,
    })
    const hits = await store.search({
      collection: 'c',
      vector: Float32Array.of(0, 0, 1),
      k: 1,
      filter: { n: 1 },
    })
    expect(hits).toMatchObject([{ id: 'a', text: 'new a', metadata: '{"n":1}' }])
    const stored = { sourceId: 's', version: 2, revision: seen, contentHash: 'new hash of a' }
    expect((await store.lookup('c', ['a'])).get('a')).toMatchObject(stored)
    while ((await store.purge(10, { signal })) > 0);
    expect(await store.inspect('c', { signal })).toEqual([])
    expect(await listAll(store, 10)).toEqual(['a'])
  })

  test('a build goes on where its spec is the same, and gives way to one with another', async () => {
    const store = await fresh()
    await write(store, many(4))
    await expect(store.build({ ...SPEC, collection: 'none' }, { signal })).rejects.toMatchObject({
      name: 'NonRetryableError',
      code: 'COLLECTION_NOT_FOUND',
    })
    const first = await store.build(SPEC, { signal })
    await store.writeBuild(
      { collection: 'c', generation: first.generation, documents: await copiesOf(store, ['d0001']) },
      { signal },
    )
    expect(await store.build(SPEC, { signal })).toEqual({ generation: first.generation, count: 1 })
    expect((await listAll(store, 2, { missingFrom: first.generation })).toSorted()).toEqual([
      'd0000',
      'd0002',
      'd0003',
    ])
    const second = await store.build({ ...SPEC, embedder: 'newer' }, { signal })
    expect(second.generation).not.toBe(first.generation)
    const late = {
      collection: 'c',
      generation: first.generation,
      documents: await copiesOf(store, ['d0002']),
    }
    expect(await store.writeBuild(late, { signal })).toMatchObject({ gone: true })
    expect(await store.promote('c', first.generation, { signal })).toBe('gone')
    expect((await store.build({ ...SPEC, embedder: 'newer' }, { signal })).count).toBe(0)
  })

  test('what is written, touched or deleted while a generation is built is not swapped away', async () => {
    const { store, again } = await open()
    const writer = await again()
    await write(store, many(5))
    const { generation } = await store.build(SPEC, { signal })
    expect(await fillBuild(store, generation)).toBe(5)
    await write(writer, [
      document('d0000', await revision(writer, 'd0000'), [chunk(0, 1, 'changed')]),
      { ...document('d0001', await revision(writer, 'd0001'), null), metadata: '{"touched":true}' },
      document('added', null, [chunk(0, 1)]),
    ])
    await remove(writer, 'd0002')
    expect(await store.promote('c', generation, { signal })).toBe('incomplete')
    expect((await listAll(store, 100, { missingFrom: generation })).toSorted()).toEqual([
      'added',
      'd0000',
      'd0001',
    ])
    expect(await fillBuild(store, generation)).toBe(3)
    expect(await store.promote('c', generation, { signal })).toBe('promoted')
    expect((await listAll(store, 100)).toSorted()).toEqual(['added', 'd0000', 'd0001', 'd0003', 'd0004'])
    expect((await store.lookup('c', ['d0001'])).get('d0001')?.metadata).toBe('{"touched":true}')
    expect(await store.inspect('c', { signal })).toEqual([])
  })

  test('a drop gives up what is being built, and a collection made anew does not find it', async () => {
    const store = await fresh()
    await write(store, many(2))
    const { generation } = await store.build(SPEC, { signal })
    const documents = await copiesOf(store, ['d0000', 'd0001'])
    await store.writeBuild({ collection: 'c', generation, documents }, { signal })
    await store.drop('c', { signal })
    expect(await store.promote('c', generation, { signal })).toBe('gone')
    expect(await store.writeBuild({ collection: 'c', generation, documents }, { signal })).toMatchObject({
      gone: true,
    })
    await write(store, many(2))
    const again = await store.build(SPEC, { signal })
    expect(again.count).toBe(0)
    expect(again.generation).not.toBe(generation)
  })

  test('a copy of a revision that is not current any more is stale and not kept', async () => {
    const store = await fresh()
    await write(store, many(2))
    const { generation } = await store.build(SPEC, { signal })
    const documents = await copiesOf(store, ['d0000', 'd0001'])
    await write(store, [document('d0000', await revision(store, 'd0000'), [chunk(0, 1)])])
    const answer = await store.writeBuild({ collection: 'c', generation, documents }, { signal })
    expect(answer).toEqual({ stale: new Set(['d0000']), gone: false })
    expect(await store.promote('c', generation, { signal })).toBe('incomplete')
  })

  test('a writer that looked a document up before the swap may write it after', async () => {
    const store = await fresh()
    await write(store, many(1))
    const seen = await revision(store, 'd0000')
    const { generation } = await store.build({ ...SPEC, embedder: 'e', dim: 2 }, { signal })
    const documents = (await copiesOf(store, ['d0000'])).map((one) => ({ ...one, chunks: [chunk(0, 1)] }))
    await store.writeBuild({ collection: 'c', generation, documents }, { signal })
    expect(await store.promote('c', generation, { signal })).toBe('promoted')
    expect(await write(store, [document('d0000', seen, [chunk(1, 0, 'after')])])).toEqual({
      stale: new Set(),
    })
    expect((await search(store, 1, 0))[0]?.text).toBe('after')
  })

  test.skipIf(!bareDocuments)(
    'a document may be kept without a chunk: it is there and never found',
    async () => {
      const store = await fresh()
      await write(store, many(2))
      const { generation } = await store.build(SPEC, { signal })
      const [bare, whole] = await copiesOf(store, ['d0000', 'd0001'])
      if (bare === undefined || whole === undefined) throw new Error('expected two documents')
      const documents = [{ ...bare, contentHash: '', joints: null, chunks: [] }, whole]
      await store.writeBuild({ collection: 'c', generation, documents }, { signal })
      expect(await store.promote('c', generation, { signal })).toBe('promoted')
      expect(await store.describe('c')).toMatchObject({ count: 2, chunks: 1 })
      const hits = await store.search({
        collection: 'c',
        vector: Float32Array.of(0, 0, 1),
        k: 9,
        filter: null,
      })
      expect(ids(hits)).toEqual(['d0001'])
    },
  )

  test.skipIf(staleness === 'likely')(
    'a swap among writers loses no document and keeps no deleted one',
    async () => {
      const { store, again } = await open()
      const writer = await again()
      await write(store, many(30))
      const { generation } = await store.build({ ...SPEC, embedder: 'e', dim: 2 }, { signal })
      const build = async () => {
        for (;;) {
          const missing = await listAll(store, 7, { missingFrom: generation })
          const copies = await copiesOf(store, missing)
          const documents = copies.map((one) => ({ ...one, chunks: [chunk(0, 1)] }))
          if (documents.length > 0)
            await store.writeBuild({ collection: 'c', generation, documents }, { signal })
          if ((await store.promote('c', generation, { signal })) === 'promoted') return
        }
      }
      const change = async () => {
        for (let i = 0; i < 30; i++) {
          await write(writer, [document(`w${i}`, null, [chunk(1, 0)])])
          await remove(writer, `d${String(i).padStart(4, '0')}`)
        }
      }
      await Promise.all([build(), change()])
      expect((await listAll(store, 100)).toSorted()).toEqual(
        Array.from({ length: 30 }, (_, i) => `w${i}`).toSorted(),
      )
      expect(await store.inspect('c', { signal })).toEqual([])
    },
  )
}
