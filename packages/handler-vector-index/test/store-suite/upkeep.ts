// oxlint-disable vitest/valid-title, vitest/no-conditional-expect -- an engine is held to what its capabilities say
import { expect, test } from 'vitest'
import type { StoreCapabilities } from '../../src/store.js'
import { signal, many, write, remove, type Open } from './scene.js'

export function testUpkeep(open: Open, { search: kind }: StoreCapabilities): void {
  test('what was dropped is purged to the last row, and space is given back in slices', async () => {
    const store = await open()
    await write(store, many(100))
    await store.drop('c', { signal })
    let slices = 0
    while ((await store.purge(30, { signal })) > 0) slices++
    expect(slices).toBeGreaterThan(0)
    expect(await store.purge(30, { signal })).toBe(0)
    while ((await store.optimize({ signal })).left > 0);
    const size = await store.size()
    expect(size === null || size >= 0).toBe(true)
  })

  test('nothing is wrong with a sound collection', async () => {
    const store = await open()
    await write(store, many(30))
    await remove(store, 'd0001')
    expect(await store.inspect('c', { signal })).toEqual([])
  })

  test(`the recall of a search that is ${kind} is ${kind === 'exact' ? 'not sampled' : 'a sampled share'}`, async () => {
    const store = await open()
    await write(store, many(200))
    const recall = await store.sampleRecall('c', { vectors: 20, k: 10 }, { signal })
    if (kind === 'exact') expect(recall).toBeNull()
    else {
      expect(recall).toBeGreaterThan(0.5)
      expect(recall).toBeLessThanOrEqual(1)
    }
  })

  test('a ping resolves', async () => {
    await expect((await open()).ping(signal)).resolves.toBeUndefined()
  })
}
