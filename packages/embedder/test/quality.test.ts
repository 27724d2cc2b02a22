import { describe, expect, it } from 'vitest'
import {
  documentCharacters,
  paraphraseSet,
  placesOf,
  type QualitySet,
  rankingOf,
  readPages,
  splits,
  titleSet,
} from '../scripts/quality-sets.js'
import { createBuiltinEmbedder } from '../src/builtin.js'

const embedder = createBuiltinEmbedder()

/** On the queries that no constant of the engine was chosen on. */
async function heldOut(set: QualitySet) {
  const places = await placesOf(set, (texts) => embedder.embed(texts))
  return rankingOf(places.filter((_, index) => splits.heldOut(index)))
}

describe('the built-in engine', () => {
  it('brings paraphrases to their document first for at least 80 in 100', async () => {
    const { top1, queries } = await heldOut(paraphraseSet('paraphrase'))
    expect(queries).toBe(63)
    expect(top1).toBeGreaterThanOrEqual(0.8)
  })

  it('brings titles to their page, by its first 600 characters, with an MRR@10 of at least .65', async () => {
    const { mrr10, queries } = await heldOut(titleSet(readPages(), documentCharacters))
    expect(queries).toBe(483)
    expect(mrr10).toBeGreaterThanOrEqual(0.65)
  })
})

describe('a ranking', () => {
  it('counts the first place for top-1, and the inverse place up to the tenth for MRR@10', () => {
    expect(rankingOf([1, 2, 10, 11])).toEqual({ top1: 0.25, mrr10: (1 + 1 / 2 + 1 / 10) / 4, queries: 4 })
  })

  it('places a query behind every wrong document that is nearer', async () => {
    const vectors: Record<string, number[]> = { q: [1, 0], near: [0.9, 0.1], right: [0.5, 0.5], far: [0, 1] }
    const set = {
      queries: ['q'],
      documents: ['near', 'right', 'far'],
      isRight: (_: number, d: number) => d === 1,
    }
    const embed = async (texts: readonly string[]) =>
      texts.map((text) => Float32Array.from(vectors[text] ?? []))
    expect(await placesOf(set, embed)).toEqual([2])
  })
})
