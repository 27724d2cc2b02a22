/**
 * Prints what the built-in engine achieves, on the built package:
 *
 *   pnpm --filter @mcp-worker/embedder run build && node packages/embedder/scripts/quality.ts
 *
 * bench/vector measures the same beside another embedder, and docs/benchmarks.md has its figures.
 */
import { createHash } from 'node:crypto'
import { openEmbedder } from '@mcp-worker/embedder'
import {
  documentCharacters,
  paraphraseSet,
  placesOf,
  type QualitySet,
  rankingOf,
  readPages,
  speedTexts,
  splits,
  titleSet,
} from './quality-sets.ts'

const embedder = await openEmbedder()
const pages = readPages()

async function report(what: string, set: QualitySet): Promise<void> {
  const places = await placesOf(set, (texts) => embedder.embed(texts))
  for (const [split, belongs] of Object.entries(splits)) {
    const { top1, mrr10, queries } = rankingOf(places.filter((_, index) => belongs(index)))
    const figures = `top-1 ${top1.toFixed(3)}  MRR@10 ${mrr10.toFixed(3)}  (${queries} queries)`
    console.log(`${what.padEnd(34)} ${split.padEnd(10)} ${figures}`)
  }
}

async function speed(): Promise<void> {
  const documents = speedTexts(pages, 4000)
  await embedder.embed(documents.slice(0, 500))
  const before = process.cpuUsage()
  const vectors = await embedder.embed(documents)
  const { user, system } = process.cpuUsage(before)
  const perSecond = documents.length / ((user + system) / 1e6)
  console.log(`${Math.round(perSecond)} documents of ${documentCharacters} characters per CPU second`)
  const hash = createHash('sha256')
  for (const vector of vectors) hash.update(new Uint8Array(vector.buffer))
  console.log(`sha256 of all ${vectors.length} vectors: ${hash.digest('hex')}`)
}

await report('paraphrase → document', paraphraseSet('paraphrase'))
await report('question → document', paraphraseSet('question'))
await report(`title → ${documentCharacters} characters of body`, titleSet(pages, documentCharacters))
await report('title → whole body', titleSet(pages))
await speed()
