import { expect, test } from 'vitest'
import type { ChunkWrite, DocumentWrite, Hit, VectorStore } from '../src/store.js'

const signal = new AbortController().signal

const chunk = (x: number, y: number, text: string | null = null): ChunkWrite => ({
  text,
  vector: Float32Array.of(x, y),
})
const document = (id: string, seen: number | null, chunks: readonly ChunkWrite[] | null): DocumentWrite => ({
  id,
  seen,
  sourceId: null,
  version: null,
  metadata: '{}',
  contentHash: `hash of ${id}`,
  chunks,
})
const write = (store: VectorStore, documents: readonly DocumentWrite[], embedder = 'e', dim = 2) =>
  store.write({ collection: 'c', embedder, dim, documents }, signal)
const search = (store: VectorStore, x: number, y: number, k = 10) =>
  store.search({ collection: 'c', vector: Float32Array.of(x, y), k, filter: null })
const ids = (hits: readonly Hit[]) => hits.map(({ id }) => id)
const revision = async (store: VectorStore, id: string) =>
  (await store.lookup('c', [id])).get(id)?.revision ?? null

/** What every engine behind the port must do. `open` gives an empty store that the test closes. */
export function testVectorStore(engine: string, open: () => Promise<VectorStore>): void {
  test(`${engine}: the first write makes the collection`, async () => {
    const store = await open()
    expect(await store.describe('c')).toBeNull()
    await write(store, [document('a', null, [chunk(1, 0), chunk(0, 1)])])
    const expected = { name: 'c', dim: 2, embedder: 'e', generation: 1, count: 1, chunks: 2 }
    expect(await store.describe('c')).toEqual(expected)
    expect(await store.collections()).toEqual([expected])
  })

  test(`${engine}: a document is found by its best chunk, once`, async () => {
    const store = await open()
    await write(store, [
      document('a', null, [chunk(1, 0, 'east'), chunk(0, 1, 'north')]),
      document('b', null, [chunk(0.6, 0.8, 'north east')]),
    ])
    const hits = await search(store, 0, 1)
    expect(hits.map(({ id, text }) => [id, text])).toEqual([
      ['a', 'north'],
      ['b', 'north east'],
    ])
    expect(hits.map(({ score }) => score)).toEqual([expect.closeTo(1), expect.closeTo(0.8)])
  })

  test(`${engine}: a revision that is not current any more is stale and changes nothing`, async () => {
    const store = await open()
    await write(store, [document('a', null, [chunk(1, 0)])])
    const seen = await revision(store, 'a')
    expect(await write(store, [document('a', seen, [chunk(0, 1)])])).toEqual({ stale: new Set() })
    const answer = await write(store, [
      document('a', seen, [chunk(-1, 0)]),
      document('b', null, [chunk(1, 0)]),
    ])
    expect(answer.stale).toEqual(new Set(['a']))
    expect((await write(store, [document('a', null, [chunk(-1, 0)])])).stale).toEqual(new Set(['a']))
    expect((await search(store, -1, 0, 1))[0]?.score).toBeCloseTo(0)
    expect((await store.describe('c'))?.count).toBe(2)
  })

  test(`${engine}: a revision is never used again, also not after a delete`, async () => {
    const store = await open()
    const revisions: (number | null)[] = []
    for (let round = 0; round < 3; round++) {
      await write(store, [document('a', null, [chunk(1, 0)])])
      revisions.push(await revision(store, 'a'))
      await store.remove({ collection: 'c', which: { ids: ['a'] } }, 10, signal)
    }
    expect(new Set(revisions).size).toBe(3)
  })

  test(`${engine}: a batch of another embedder or dimension is stale as a whole`, async () => {
    const store = await open()
    await write(store, [document('a', null, [chunk(1, 0)])])
    for (const [embedder, dim] of [
      ['other', 2],
      ['e', 3],
    ] as const) {
      const answer = await write(store, [document('b', null, [chunk(1, 0)])], embedder, dim)
      expect(answer.stale).toEqual(new Set(['b']))
    }
    expect((await store.describe('c'))?.count).toBe(1)
  })

  test(`${engine}: without chunks a write changes the rest and keeps the content`, async () => {
    const store = await open()
    await write(store, [document('a', null, [chunk(1, 0, 'kept')])])
    const seen = await revision(store, 'a')
    await write(store, [{ ...document('a', seen, null), metadata: '{"n":1}', sourceId: 's', version: 7 }])
    expect((await store.lookup('c', ['a'])).get('a')).toMatchObject({
      sourceId: 's',
      version: 7,
      metadata: '{"n":1}',
    })
    expect(await search(store, 1, 0)).toMatchObject([{ id: 'a', text: 'kept', metadata: '{"n":1}' }])
  })

  test(`${engine}: deleted is never found again`, async () => {
    const store = await open()
    const documents = Array.from({ length: 20 }, (_, i) => document(`d${i}`, null, [chunk(1, i / 100)]))
    await write(store, documents)
    await search(store, 1, 0)
    const removed = await store.remove({ collection: 'c', which: { ids: ['d3', 'd7', 'none'] } }, 100, signal)
    expect(removed).toEqual({ documents: 2, chunks: 2 })
    const left = ids(await search(store, 1, 0, 100))
    expect(left).toHaveLength(18)
    expect(left).not.toContain('d3')
    expect(left).not.toContain('d7')
    expect((await store.describe('c'))?.count).toBe(18)
  })

  test(`${engine}: a limit bounds each delete`, async () => {
    const store = await open()
    await write(
      store,
      Array.from({ length: 5 }, (_, i) => document(`d${i}`, null, [chunk(1, i)])),
    )
    const target = { collection: 'c', which: { all: true } } as const
    expect(await store.countTargets(target)).toBe(5)
    expect((await store.remove(target, 3, signal)).documents).toBe(3)
    expect((await store.remove(target, 3, signal)).documents).toBe(2)
    expect((await store.remove(target, 3, signal)).documents).toBe(0)
  })

  test(`${engine}: a filter keeps types apart, takes any key, and null matches a missing key`, async () => {
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
    await store.remove({ collection: 'c', which: { filter: { n: { in: [1, null] } } } }, 100, signal)
    expect(await matching({})).toEqual(['d1', 'd2', 'd5', 'd6'])
  })

  test(`${engine}: a collection that does not exist, or has another dimension, is a permanent fault of the search`, async () => {
    const store = await open()
    await expect(search(store, 1, 0)).rejects.toMatchObject({ code: 'COLLECTION_NOT_FOUND' })
    await write(store, [document('a', null, [chunk(1, 0)])])
    const wrong = store.search({ collection: 'c', vector: Float32Array.of(1, 0, 0), k: 1, filter: null })
    await expect(wrong).rejects.toMatchObject({ name: 'NonRetryableError', code: 'DIM_MISMATCH' })
  })

  test(`${engine}: collections do not see each other`, async () => {
    const store = await open()
    await write(store, [document('a', null, [chunk(1, 0)])])
    await store.write(
      { collection: 'd', embedder: 'e', dim: 2, documents: [document('a', null, [chunk(0, 1)])] },
      signal,
    )
    await store.remove({ collection: 'd', which: { all: true } }, 10, signal)
    expect(ids(await search(store, 1, 0))).toEqual(['a'])
    expect((await store.describe('d'))?.count).toBe(0)
  })
}
