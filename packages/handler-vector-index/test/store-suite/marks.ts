// oxlint-disable vitest/valid-title, vitest/no-conditional-expect -- an engine is held to what its capabilities say
import { expect, test } from 'vitest'
import type { StoreCapabilities } from '../../src/store.js'
import { signal, many, type Open } from './scene.js'

const tell = (answer: { readonly stale: ReadonlySet<string> }) => `stale: ${[...answer.stale].join()}`
const fails = (): never => {
  throw new Error('no mark')
}

export function testMarks(open: Open, { marks }: StoreCapabilities): void {
  test('a task without a mark has none, and one can be taken away that is not there', async () => {
    const store = await open()
    expect(await store.readMark('t')).toBeNull()
    await store.dropMark('t')
  })

  test.skipIf(!marks)('a mark is stored with the effect that it tells of, and not without it', async () => {
    const store = await open()
    const batch = { collection: 'c', embedder: 'e', dim: 2, chunk: null, documents: many(2) }
    await store.write(batch, { signal, mark: { task: 't', value: tell } })
    expect(await store.readMark('t')).toBe('stale: ')
    await store.write(batch, { signal, mark: { task: 't', value: tell } })
    expect(await store.readMark('t')).toBe('stale: d0000,d0001')
    const third = { ...batch, documents: many(1, 'x') }
    await expect(store.write(third, { signal, mark: { task: 't', value: fails } })).rejects.toThrow('no mark')
    expect((await store.describe('c'))?.count).toBe(2)
    const removed = { task: 'u', value: ({ documents }: { documents: number }) => String(documents) }
    await store.remove({ collection: 'c', which: { all: true } }, 1, { signal, mark: removed })
    expect(await store.readMark('u')).toBe('1')
    await store.drop('c', { signal, mark: removed })
    expect(await store.readMark('u')).toBe('1')
    await store.dropMark('t')
    expect(await store.readMark('t')).toBeNull()
  })
}
