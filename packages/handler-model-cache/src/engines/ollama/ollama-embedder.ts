import { type Embedder, EmbedderError } from '@mcp-worker/embedder'
import { asEmbedderError } from '../as-embedder-error.js'

const textsPerRequest = 64

export interface OllamaEmbedderInput {
  readonly model: string
  readonly digest: string
  readonly dimension: number
  /** One vector per text, in their order. */
  readonly embed: (texts: readonly string[], signal: AbortSignal) => Promise<number[][]>
}

/** The face of an embedding model. Its fingerprint holds the model's digest: other weights under the same name are another embedder. */
export function createOllamaEmbedder({ model, digest, dimension, embed }: OllamaEmbedderInput): Embedder {
  return {
    fingerprint: { name: `ollama/${model}`, version: '1', dimension, assetHash: digest },
    async embed(texts, { signal = new AbortController().signal } = {}) {
      signal.throwIfAborted()
      refuseEmptyTexts(texts)
      const vectors: Float32Array[] = []
      for (let start = 0; start < texts.length; start += textsPerRequest) {
        const batch = texts.slice(start, start + textsPerRequest)
        const answer = await embed(batch, signal).catch((error: unknown) => {
          throw asEmbedderError(error)
        })
        if (answer.length !== batch.length) {
          throw new EmbedderError(
            'RESPONSE_INVALID',
            `expected ${batch.length} vectors, got ${answer.length}`,
          )
        }
        vectors.push(...answer.map((values) => unitVector(values, dimension)))
      }
      return vectors
    },
  }
}

function refuseEmptyTexts(texts: readonly string[]): void {
  const textIndex = texts.findIndex((text) => !/\S/.test(text))
  if (textIndex === -1) return
  const problem = `expected something to embed in text ${textIndex}, got white space`
  throw new EmbedderError('TEXT_EMPTY', problem, { textIndex })
}

function unitVector(values: readonly number[], dimension: number): Float32Array {
  if (values.length !== dimension) {
    const problem = `expected vectors of ${dimension} components, got one of ${values.length}`
    throw new EmbedderError('DIMENSION_MISMATCH', problem)
  }
  const length = Math.hypot(...values)
  if (length > 0 && Number.isFinite(length)) return Float32Array.from(values, (value) => value / length)
  throw new EmbedderError('RESPONSE_INVALID', 'expected finite numbers that are not all 0, got others')
}
