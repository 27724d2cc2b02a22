// oxlint-disable vitest/valid-title, vitest/no-conditional-expect -- an engine is held to what its capabilities say
import { expect, test } from 'vitest'
import type { StoreCapabilities, VectorStore } from '../../src/store.js'
import {
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
  type Open,
} from './scene.js'

export function testReads(open: Open, { exactVectors }: StoreCapabilities): void {
  test('what is read is what was written', async () => {
    const store = await open()
    const written = {
      ...document('a', null, [chunk(0.6, 0.8, 'one'), chunk(0, 1, 'two')]),
      sourceId: 's',
      version: 3,
    }
    await write(store, [written, document('v', null, [chunk(0.28, 0.96)])])
    const read = await store.read('c', ['a', 'v', 'none'])
    expect([...read.keys()].toSorted()).toEqual(['a', 'v'])
    expect(read.get('a')).toMatchObject({
      sourceId: 's',
      version: 3,
      metadata: '{}',
      joints: '[" "]',
      intact: true,
    })
    expect(read.get('a')?.contentHash).toBe('hash of a')
    const vectors = read.get('a')?.chunks.map(({ vector }) => [...vector])
    const given = written.content?.chunks.map(({ vector }) => [...vector])
    if (exactVectors) expect(vectors).toEqual(given)
    else expect(vectors).toEqual(given?.map((vector) => vector.map((x) => expect.closeTo(x, 3))))
    expect(read.get('v')?.chunks[0]?.text).toBeNull()
  })

  test('a list gives each document once over its pages, with its source, revision and hash', async () => {
    const store = await open()
    const documents = many(57).map((one, i) => ({ ...one, sourceId: i % 2 === 0 ? 'even' : null }))
    await write(store, documents)
    for (const limit of [1, 10, 57, 58]) {
      expect((await listAll(store, limit)).toSorted()).toEqual(documents.map(({ id }) => id))
    }
    expect(await listAll(store, 10, { sourceIds: ['even'] })).toHaveLength(29)
    const [first] = (await store.list({ collection: 'c', after: null, limit: 100, sourceIds: ['even'] }))
      .documents
    expect(first).toEqual({
      id: first?.id,
      sourceId: 'even',
      revision: await revision(store, first?.id ?? ''),
      contentHash: `hash of ${first?.id}`,
      chunks: 1,
    })
    expect(await store.list({ collection: 'none', after: null, limit: 5 })).toEqual({
      documents: [],
      next: null,
    })
  })

  test('deletes between the pages of a list make it skip nothing that stays', async () => {
    const store = await open()
    await write(store, many(40))
    const first = await store.list({ collection: 'c', after: null, limit: 10 })
    await remove(store, ...ids(first.documents))
    const rest: string[] = []
    let { next } = first
    while (next !== null) {
      const page = await store.list({ collection: 'c', after: next, limit: 10 })
      rest.push(...ids(page.documents))
      next = page.next
    }
    expect([...ids(first.documents), ...rest].toSorted()).toEqual(many(40).map(({ id }) => id))
  })

  test('a collection that does not exist, or has another dimension, is a permanent fault of the search', async () => {
    const store = await open()
    await expect(search(store, 1, 0)).rejects.toMatchObject({ code: 'COLLECTION_NOT_FOUND' })
    await write(store, [document('a', null, [chunk(1, 0)])])
    const wrong = store.search({ collection: 'c', vector: Float32Array.of(1, 0, 0), k: 1, filter: null })
    await expect(wrong).rejects.toMatchObject({ name: 'NonRetryableError', code: 'DIM_MISMATCH' })
  })
}

export function testFilters(open: Open): void {
  test('a filter keeps types apart, takes any key, and null matches a missing key', async () => {
    const store = await open()
    const metadata = [
      { n: 1 },
      { n: '1' },
      { n: true },
      { n: null },
      {},
      { 'a"b.$[0]': 'x', n: 2.5 },
      { n: [1] },
    ]
    await write(
      store,
      metadata.map((value, i) => ({
        ...document(`d${i}`, null, [chunk(1, i)]),
        metadata: JSON.stringify(value),
      })),
    )
    const matching = async (filter: NonNullable<Parameters<VectorStore['search']>[0]['filter']>) =>
      ids(await store.search({ collection: 'c', vector: Float32Array.of(1, 0), k: 10, filter })).toSorted()
    expect(await matching({ n: 1 })).toEqual(['d0'])
    expect(await matching({ n: '1' })).toEqual(['d1'])
    expect(await matching({ n: true })).toEqual(['d2'])
    expect(await matching({ n: false })).toEqual([])
    expect(await matching({ n: null })).toEqual(['d3', 'd4'])
    expect(await matching({ n: { in: [1, '1', 2.5] } })).toEqual(['d0', 'd1', 'd5'])
    expect(await matching({ 'a"b.$[0]': 'x', n: 2.5 })).toEqual(['d5'])
    expect(await matching({ 'a"b.$[0]': 'x', n: 1 })).toEqual([])
    expect(await matching({ "x' OR 1=1 --": 'y' })).toEqual([])
    expect(await matching({})).toHaveLength(7)
    await store.remove({ collection: 'c', which: { filter: { n: { in: [1, null] } } } }, 100, { signal })
    expect(await matching({})).toEqual(['d1', 'd2', 'd5', 'd6'])
  })
}
