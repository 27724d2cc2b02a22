// oxlint-disable vitest/valid-title -- titles are made from the engine's name
import { expect, test } from 'vitest'
import type { VectorStore } from '../src/store.js'
import { unitVector } from '../src/vector.js'

const DIM = 32
const COUNT = 1500
const { signal } = new AbortController()

/** mulberry32: the same numbers at each run. */
function createRandom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

function normal(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())
}

/** `spread` null: the same in all directions; else around 20 centres. */
function vectors(count: number, spread: number | null, seed: number): readonly Float32Array[] {
  const random = createRandom(seed)
  const direction = () => Array.from({ length: DIM }, () => normal(random))
  const centres = Array.from({ length: 20 }, direction)
  return Array.from({ length: count }, (_, i) => {
    const noise = direction()
    const around =
      spread === null ? noise : noise.map((value, d) => (centres[i % 20]?.[d] ?? 0) + value * spread)
    return unitVector(around) as Float32Array
  })
}

/** recall@10 against a comparison of all vectors in double precision. */
export function testExactness(engine: string, open: () => Promise<VectorStore>): void {
  for (const [data, spread] of [
    ['isotropic', null],
    ['clustered', 0.3],
  ] as const) {
    test(`${engine}: the nearest ten of ${COUNT} ${data} vectors are the true ones`, async () => {
      const store = await open()
      const stored = vectors(COUNT, spread, 1)
      const documents = stored.map((vector, i) => {
        const content = { contentHash: '', joints: null, chunks: [{ text: null, vector }] }
        return { id: `d${i}`, seen: null, sourceId: null, version: null, metadata: '{}', content }
      })
      for (let i = 0; i < COUNT; i += 500) {
        const part = documents.slice(i, i + 500)
        await store.write(
          { collection: 'c', embedder: 'e', dim: DIM, chunk: null, documents: part },
          { signal },
        )
      }
      for (const question of vectors(10, spread, 2)) {
        const score = (vector: Float32Array) =>
          vector.reduce((sum, value, d) => sum + value * (question[d] ?? 0), 0)
        const truth = stored
          .map((vector, i) => ({ id: `d${i}`, score: score(vector) }))
          .toSorted((a, b) => b.score - a.score)
        const hits = await store.search({ collection: 'c', vector: question, k: 10, filter: null })
        expect(hits.map(({ id }) => id)).toEqual(truth.slice(0, 10).map(({ id }) => id))
      }
    })
  }
}
