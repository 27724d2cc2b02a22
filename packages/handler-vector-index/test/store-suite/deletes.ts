// oxlint-disable vitest/valid-title, vitest/no-conditional-expect -- an engine is held to what its capabilities say
import { expect, test } from 'vitest'
import { signal, chunk, document, many, write, search, remove, ids, listAll, type Open } from './scene.js'

export function testDeletes(open: Open): void {
  test('deleted is never found again', async () => {
    const store = await open()
    await write(store, many(20))
    await search(store, 1, 0)
    expect(await remove(store, 'd0003', 'd0007', 'none')).toEqual({ documents: 2, chunks: 2 })
    const left = ids(await search(store, 1, 0, 100))
    expect(left).toHaveLength(18)
    expect(left).not.toContain('d0003')
    expect(left).not.toContain('d0007')
    expect((await store.describe('c'))?.count).toBe(18)
    expect((await store.lookup('c', ['d0003', 'd0004'])).size).toBe(1)
  })

  test('a limit bounds each delete', async () => {
    const store = await open()
    await write(store, many(5))
    const target = { collection: 'c', which: { all: true } } as const
    expect(await store.countTargets(target)).toBe(5)
    expect((await store.remove(target, 3, { signal })).documents).toBe(3)
    expect((await store.remove(target, 3, { signal })).documents).toBe(2)
    expect((await store.remove(target, 3, { signal })).documents).toBe(0)
  })

  test('a delete by source takes all of the source and nothing else', async () => {
    const store = await open()
    const sources = many(9).map((one, i) => ({ ...one, sourceId: `s${i % 3}` }))
    await write(store, sources)
    const target = { collection: 'c', which: { sourceIds: ['s1', 'none'] } }
    expect(await store.countTargets(target)).toBe(3)
    expect((await store.remove(target, 100, { signal })).documents).toBe(3)
    expect(await listAll(store, 100, { sourceIds: ['s1'] })).toEqual([])
    expect(await listAll(store, 100)).toHaveLength(6)
  })

  test('a delete of listed documents leaves those that moved to another source since', async () => {
    const store = await open()
    await write(
      store,
      many(4).map((one) => ({ ...one, sourceId: 'a' })),
    )
    const question = { collection: 'c', after: null, limit: 3, sourceIds: ['a'] }
    const { documents: listed } = await store.list(question)
    const [first, second, third] = ids(listed)
    const moved = (await store.lookup('c', [second ?? ''])).get(second ?? '')
    const seen = moved?.revision ?? null
    await write(store, [{ ...document(second ?? '', seen, null), sourceId: 'b' }])
    const target = { collection: 'c', which: { ids: ids(listed), sourceIds: ['a', 'none'] } }
    expect(await store.countTargets(target)).toBe(2)
    expect(await store.remove(target, 100, { signal })).toEqual({ documents: 2, chunks: 2 })
    const left = await listAll(store, 100)
    expect(left).toHaveLength(2)
    expect(left).toContain(second)
    expect(left).not.toContain(first)
    expect(left).not.toContain(third)
    expect(await listAll(store, 100, { sourceIds: ['b'] })).toEqual([second])
  })

  test('a collection that was dropped is gone for everybody, and can be made anew', async () => {
    const store = await open()
    await write(store, many(3))
    expect(await store.drop('c', { signal })).toEqual({ documents: 3, chunks: 3 })
    expect(await store.drop('c', { signal })).toEqual({ documents: 0, chunks: 0 })
    expect(await store.describe('c')).toBeNull()
    expect(await store.collections()).toEqual([])
    expect((await store.lookup('c', ['d0000'])).size).toBe(0)
    await expect(search(store, 1, 0)).rejects.toMatchObject({ code: 'COLLECTION_NOT_FOUND' })
    await write(store, [document('x', null, [chunk(1, 0)])], 'other')
    expect(await store.describe('c')).toMatchObject({ count: 1, embedder: 'other', generation: 2 })
    expect(ids(await search(store, 1, 0))).toEqual(['x'])
  })

  test('collections do not see each other', async () => {
    const store = await open()
    await write(store, [document('a', null, [chunk(1, 0)])])
    const documents = [document('a', null, [chunk(0, 1)])]
    await store.write({ collection: 'd', embedder: 'e', dim: 2, chunk: null, documents }, { signal })
    await store.remove({ collection: 'd', which: { all: true } }, 10, { signal })
    expect(ids(await search(store, 1, 0))).toEqual(['a'])
    expect((await store.describe('d'))?.count).toBe(0)
  })
}
