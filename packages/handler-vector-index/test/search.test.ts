import { join } from 'node:path'
import * as fc from 'fast-check'
import { expect, onTestFinished, test } from 'vitest'
import { openSqliteStore } from '../src/sqlite/store.js'
import type { VectorStore } from '../src/store.js'
import { createTopDocuments } from '../src/top-documents.js'
import { unitVector } from '../src/vector.js'
import { tempFolder } from './temp-folder.js'

const signal = new AbortController().signal

/** The same numbers for the same seed (mulberry32), spread like a normal distribution. */
function createRandom(seed: number): () => number {
  let state = seed
  const uniform = () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
  return () => Math.sqrt(-2 * Math.log(uniform() + 1e-12)) * Math.cos(2 * Math.PI * uniform())
}

function unit(values: number[]): Float32Array {
  const vector = unitVector(values)
  if (typeof vector === 'string') throw new Error(vector)
  return vector
}

function makeVectors(count: number, dim: number, clusters: number, seed: number): Float32Array[] {
  const random = createRandom(seed)
  const point = () => Array.from({ length: dim }, random)
  const centres = Array.from({ length: clusters }, point)
  return Array.from({ length: count }, (_, i) => {
    const centre = centres[i % Math.max(clusters, 1)]
    return unit(point().map((value, d) => (centre === undefined ? value : (centre[d] ?? 0) + value * 0.1)))
  })
}

async function fill(store: VectorStore, vectors: readonly Float32Array[], from = 0): Promise<void> {
  const dim = vectors[0]?.length ?? 0
  const documents = vectors.map((vector, i) => ({
    id: String(from + i),
    seen: null,
    sourceId: null,
    version: null,
    metadata: '{}',
    content: { contentHash: '', joints: null, chunks: [{ text: null, vector }] },
  }))
  await store.write({ collection: 'c', embedder: 'e', dim, chunk: null, documents }, { signal })
}

async function open(searchMemoryMb: number): Promise<VectorStore> {
  const store = await openSqliteStore({ path: join(await tempFolder(), 'vectors.db'), searchMemoryMb })
  onTestFinished(() => store.close())
  return store
}

/** Written another way on purpose: plain sums in double precision over a list of live vectors. */
function nearest(live: ReadonlyMap<string, Float32Array>, query: Float32Array, k: number): string[] {
  const scored = [...live].map(([id, vector]) => ({
    id,
    score: vector.reduce((s, x, d) => s + x * (query[d] ?? 0), 0),
  }))
  return scored
    .toSorted((a, b) => b.score - a.score)
    .slice(0, k)
    .map(({ id }) => id)
}

test.for([
  ['isotropic', 0, 512],
  ['clustered', 20, 512],
  ['isotropic, read from the file', 0, 0],
  ['clustered, read from the file', 20, 0],
] as const)('recall@10 is 1.0 on %s data', async ([, clusters, searchMemoryMb]) => {
  const store = await open(searchMemoryMb)
  const vectors = makeVectors(2000, 48, clusters, 7)
  await fill(store, vectors)
  const live = new Map(vectors.map((vector, i) => [String(i), vector]))
  for (const query of makeVectors(25, 48, clusters, 8)) {
    const hits = await store.search({ collection: 'c', vector: query, k: 10, filter: null })
    expect(hits.map(({ id }) => id)).toEqual(nearest(live, query, 10))
  }
})

test('a search sees each write and delete before it, whoever made it', async () => {
  const path = join(await tempFolder(), 'vectors.db')
  const searcher = await openSqliteStore({ path })
  const other = await openSqliteStore({ path })
  onTestFinished(async () => void (await Promise.all([searcher.close(), other.close()])))
  const random = createRandom(3)
  const live = new Map<string, Float32Array>()
  const [query = new Float32Array()] = makeVectors(1, 8, 0, 4)
  for (let round = 0; round < 40; round++) {
    const writer = round % 2 === 0 ? searcher : other
    const added = makeVectors(1 + (round % 7), 8, 0, 100 + round)
    await fill(writer, added, round * 100)
    added.forEach((vector, i) => live.set(String(round * 100 + i), vector))
    const doomed = [...live.keys()].filter(() => random() > 1)
    await writer.remove({ collection: 'c', which: { ids: doomed } }, 1000, { signal })
    for (const id of doomed) live.delete(id)
    const hits = await searcher.search({ collection: 'c', vector: query, k: 200, filter: null })
    expect(hits.map(({ id }) => id)).toEqual(nearest(live, query, 200))
  }
})

test('collections that do not fit together in the memory for searches are searched all the same', async () => {
  const store = await open(1)
  for (const name of ['a', 'b', 'c']) {
    const vectors = makeVectors(600, 256, 0, 9)
    const documents = vectors.map((vector, i) => ({
      id: `${name}${i}`,
      seen: null,
      sourceId: null,
      version: null,
      metadata: '{}',
      content: { contentHash: '', joints: null, chunks: [{ text: null, vector }] },
    }))
    await store.write({ collection: name, embedder: 'e', dim: 256, chunk: null, documents }, { signal })
  }
  const [query = new Float32Array()] = makeVectors(1, 256, 0, 10)
  for (const name of ['a', 'b', 'a', 'c', 'b']) {
    const [hit] = await store.search({ collection: name, vector: query, k: 1, filter: null })
    expect(hit?.id).toMatch(new RegExp(`^${name}\\d`))
  }
})

test('the best k documents are those of a full sort, whatever comes in which order', () => {
  const offers = fc.array(fc.tuple(fc.integer({ min: 0, max: 15 }), fc.integer({ min: 0, max: 30 })))
  fc.assert(
    fc.property(offers, fc.integer({ min: 1, max: 10 }), (list, k) => {
      const top = createTopDocuments(k)
      list.forEach(([document, score], chunk) => top.offer(document, chunk, score))
      const best = new Map<number, number>()
      for (const [document, score] of list) best.set(document, Math.max(score, best.get(document) ?? -1))
      const scores = [...best.values()].toSorted((a, b) => b - a).slice(0, k)
      expect(top.list().map(({ score }) => score)).toEqual(scores)
      for (const { document, score } of top.list()) expect(best.get(document)).toBe(score)
    }),
  )
})

test('documents of equal score come in the order of their keys, and the first of them are kept', () => {
  const offers = fc.array(fc.tuple(fc.integer({ min: 0, max: 15 }), fc.integer({ min: 0, max: 3 })))
  fc.assert(
    fc.property(offers, fc.integer({ min: 1, max: 10 }), (list, k) => {
      const top = createTopDocuments(k)
      // rows are read in the order of documents
      const rows = list.toSorted(([a], [b]) => a - b)
      rows.forEach(([document, score], chunk) => top.offer(document, chunk, score))
      const best = new Map<number, number>()
      for (const [document, score] of rows) best.set(document, Math.max(score, best.get(document) ?? -1))
      const expected = [...best].toSorted(([a, x], [b, y]) => y - x || a - b).slice(0, k)
      expect(top.list().map(({ document, score }) => [document, score])).toEqual(expected)
    }),
  )
})
