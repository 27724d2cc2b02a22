import { expect, test } from 'vitest'
import { type Batch, batchesOf } from '../src/batches.js'
import type { Entry } from '../src/documents.js'
import type { PreparedDocument } from '../src/prepare.js'

const text = (id: string, length: number): PreparedDocument => ({
  place: null,
  id,
  sourceId: null,
  version: null,
  metadata: null,
  content: { hash: '', texts: ['x'.repeat(length)], joints: '[]', vector: null },
})

/** Batches of these documents, which come in pieces of two. */
async function batch(documents: readonly PreparedDocument[], size: number, from = 0): Promise<Batch[]> {
  const entries = documents.map((_, i): Entry => ({ position: from + i, document: {} }))
  async function* pieces() {
    for (let i = 0; i < entries.length; i += 2) yield entries.slice(i, i + 2)
  }
  const batches: Batch[] = []
  const prepare = ({ position }: Entry) => documents[position - from] ?? text('none', 0)
  for await (const one of batchesOf(pieces(), size, prepare)) batches.push(one)
  return batches
}

const shapeOf = (batches: readonly Batch[]) =>
  batches.map(({ documents, start, next }) => [documents.map(({ id }) => id).join(''), start, next])

test('a batch has at most its number of documents, and goes on over the pieces', async () => {
  const documents = 'abcdefg'.split('').map((id) => text(id, 1))
  expect(shapeOf(await batch(documents, 3, 10))).toEqual([
    ['abc', 10, 13],
    ['def', 13, 16],
    ['g', 16, 17],
  ])
})

test('a batch ends where its documents weigh 4 Mi characters, whatever number was asked for', async () => {
  const documents = 'abcd'.split('').map((id) => text(id, 2.5 * 1024 * 1024))
  expect(shapeOf(await batch(documents, 1000))).toEqual([
    ['ab', 0, 2],
    ['cd', 2, 4],
  ])
})

test('an id that comes again begins a batch', async () => {
  const documents = 'abab'.split('').map((id) => text(id, 1))
  expect(shapeOf(await batch(documents, 1000))).toEqual([
    ['ab', 0, 2],
    ['ab', 2, 4],
  ])
})

test('no entries make no batch', async () => {
  expect(await batch([], 10)).toEqual([])
})
