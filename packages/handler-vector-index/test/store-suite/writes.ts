// oxlint-disable vitest/valid-title, vitest/no-conditional-expect -- an engine is held to what its capabilities say
import { expect, test } from 'vitest'
import type { StoreCapabilities } from '../../src/store.js'
import { signal, chunk, document, many, write, search, remove, revision, type Open } from './scene.js'

export function testWrites(open: Open, { staleness, transaction }: StoreCapabilities): void {
  test('a revision is new at every write, and no other document of the collection ever had it', async () => {
    const store = await open()
    const given: (number | null)[] = []
    for (let round = 0; round < 4; round++) {
      const documents = ['a', 'b', `c${round}`].map((id) => document(id, null, [chunk(1, round)], `${round}`))
      const seen = await store.lookup(
        'c',
        documents.map(({ id }) => id),
      )
      await write(
        store,
        documents.map((one) => ({ ...one, seen: seen.get(one.id)?.revision ?? null })),
      )
      for (const { id } of documents) given.push(await revision(store, id))
    }
    expect(given).not.toContain(null)
    expect(new Set(given).size).toBe(12)
  })

  test('the first write makes the collection', async () => {
    const store = await open()
    expect(await store.describe('c')).toBeNull()
    const size = { size: 200, overlap: 20 }
    const documents = [document('a', null, [chunk(1, 0), chunk(0, 1)])]
    await store.write({ collection: 'c', embedder: 'e', dim: 2, chunk: size, documents }, { signal })
    const expected = { name: 'c', dim: 2, embedder: 'e', chunk: size, generation: 1, count: 1, chunks: 2 }
    expect(await store.describe('c')).toEqual(expected)
    expect(await store.collections()).toEqual([expected])
  })

  test('a document is found by its best chunk, once', async () => {
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

  test('a revision that is not current any more is stale and changes nothing', async () => {
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

  test.skipIf(staleness === 'likely')(
    'of writers that saw the same revision exactly one gets through',
    async () => {
      const store = await open()
      await write(store, [document('a', null, [chunk(1, 0)])])
      const seen = await revision(store, 'a')
      const answers = await Promise.all(
        [0, 1, 2, 3].map((i) => write(store, [document('a', seen, [chunk(1, i)])])),
      )
      expect(answers.filter(({ stale }) => stale.size === 0)).toHaveLength(1)
    },
  )

  test('a document that gets fewer chunks leaves exactly those', async () => {
    const store = await open()
    const five = Array.from({ length: 5 }, (_, i) => chunk(1, 0, `old ${i}`))
    await write(store, [document('a', null, five)])
    await write(store, [
      document('a', await revision(store, 'a'), [chunk(0, 1, 'new 0'), chunk(0, 1, 'new 1')]),
    ])
    const stored = (await store.read('c', ['a'])).get('a')
    expect(stored?.chunks.map(({ text }) => text)).toEqual(['new 0', 'new 1'])
    expect(await store.describe('c')).toMatchObject({ count: 1, chunks: 2 })
    expect((await search(store, 1, 0))[0]?.score).toBeCloseTo(0)
  })

  test('a revision is never used again, not after a delete and not after a drop', async () => {
    const store = await open()
    const revisions: (number | null)[] = []
    for (let round = 0; round < 4; round++) {
      await write(store, [document('a', null, [chunk(1, 0)])])
      revisions.push(await revision(store, 'a'))
      if (round % 2 === 0) await remove(store, 'a')
      else await store.drop('c', { signal })
    }
    expect(new Set(revisions).size).toBe(4)
  })

  test('a batch of another embedder or dimension is stale as a whole', async () => {
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

  test('without content a write changes the rest and keeps the content', async () => {
    const store = await open()
    await write(store, [document('a', null, [chunk(1, 0, 'kept')])])
    const seen = await revision(store, 'a')
    await write(store, [{ ...document('a', seen, null), metadata: '{"n":1}', sourceId: 's', version: 7 }])
    expect((await store.lookup('c', ['a'])).get('a')).toMatchObject({
      sourceId: 's',
      version: 7,
      metadata: '{"n":1}',
      contentHash: 'hash of a',
    })
    expect(await revision(store, 'a')).not.toBe(seen)
    expect(await search(store, 1, 0)).toMatchObject([{ id: 'a', text: 'kept', metadata: '{"n":1}' }])
  })

  test.skipIf(transaction === 'document')('a reader sees all of a batch or nothing of it', async () => {
    const store = await open()
    const counts: number[] = []
    const writing = (async () => {
      for (let batch = 0; batch < 20; batch++) await write(store, many(50, `b${batch}-`))
    })()
    const reading = Array.from({ length: 100 }, async () =>
      counts.push((await store.describe('c'))?.count ?? 0),
    )
    await Promise.all([writing, ...reading])
    expect(counts.filter((count) => count % 50 !== 0)).toEqual([])
  })

  test('a signal that was aborted before the call changes nothing', async () => {
    const store = await open()
    const aborted = AbortSignal.abort(new Error('cancelled'))
    const batch = { collection: 'c', embedder: 'e', dim: 2, chunk: null, documents: many(1) }
    await expect(store.write(batch, { signal: aborted })).rejects.toThrow('cancelled')
    expect(await store.describe('c')).toBeNull()
  })
}
