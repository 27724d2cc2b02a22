import { createHash } from 'node:crypto'
import { type Embedder, fingerprintText } from '@mcp-worker/embedder'
import type { TextEmbedder } from '../src/lazy-embedder.js'

export interface CountingEmbedder extends TextEmbedder {
  readonly fingerprint: string
  readonly calls: string[][]
}

/** Bags of hashed words: texts that share words are near. It counts its calls. */
export function createWordEmbedder(name = 'words', dim = 16): CountingEmbedder {
  const calls: string[][] = []
  const parts: Embedder['fingerprint'] = { name, version: '1', dimension: dim, assetHash: 'none' }
  const fingerprint = fingerprintText(parts)
  return {
    fingerprint,
    calls,
    describe: async () => ({ fingerprint, dim }),
    embed: async (texts, signal) => {
      signal.throwIfAborted()
      calls.push([...texts])
      return texts.map((text) => wordVector(text, dim))
    },
    close: async () => {},
  }
}

function wordVector(text: string, dim: number): Float32Array {
  const vector = new Float32Array(dim)
  for (const word of text.toLowerCase().match(/[a-z0-9]+/g) ?? []) {
    const digest = createHash('sha256').update(word).digest()
    for (let d = 0; d < dim; d++) vector[d] = (vector[d] ?? 0) + (digest[d % 32] ?? 0) / 128 - 1
  }
  return vector
}
