import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { setImmediate } from 'node:timers/promises'
import { type Embedder, refuseEmptyTexts } from './embedder.js'
import { EmbedderError } from './errors.js'
import { decodeTable, type WordTable } from './table-format.js'
import { maxCharacters, textVector, vectorDimension } from './text-vector.js'
import { wordTableAsset } from './word-table-asset.js'

/** Raise it with every change to how a text becomes a vector. */
const algorithmVersion = '1'
/** About three milliseconds of work between two turns of the event loop. */
const charactersPerTurn = 16_384

const assetUrl = new URL(`../assets/${wordTableAsset.file}`, import.meta.url)
let loading: Promise<WordTable> | undefined

/**
 * The built-in engine: no network, no key, no download; English first. Vectors have 384 components, of which
 * 99 are the mean of the words' meanings and 285 their hashed spelling, and are byte-identical across runs,
 * processes and machines. Reads the first 65,536 characters of a text.
 *
 * The word table (5.8 MB) is read at the first `embed` and shared by all embedders of the process; the call
 * rejects with `ASSET_UNREADABLE` if it is missing or altered. The work is done on the calling thread, with a turn
 * of the event loop every 16,384 characters.
 */
export function createBuiltinEmbedder(): Embedder {
  return {
    fingerprint: {
      name: 'builtin',
      version: algorithmVersion,
      dimension: vectorDimension,
      assetHash: wordTableAsset.sha256,
    },
    async embed(texts, { signal } = {}) {
      signal?.throwIfAborted()
      refuseEmptyTexts(texts)
      const table = await loadTable()
      const vectors: Float32Array[] = []
      let characters = 0
      for (const text of texts) {
        if (characters >= charactersPerTurn) {
          await setImmediate()
          characters = 0
        }
        signal?.throwIfAborted()
        vectors.push(textVector(table, text))
        characters += Math.min(text.length, maxCharacters)
      }
      return vectors
    },
  }
}

function loadTable(): Promise<WordTable> {
  loading ??= readTable(assetUrl).catch((error: unknown) => {
    loading = undefined
    throw error
  })
  return loading
}

/** Reads and verifies a word table; rejects with `ASSET_UNREADABLE`. */
export async function readTable(url: URL, expectedHash: string = wordTableAsset.sha256): Promise<WordTable> {
  const bytes = await readFile(url).catch((cause: unknown) => {
    throw new EmbedderError('ASSET_UNREADABLE', `expected the word table at ${url.pathname}, got no file`, {
      cause,
    })
  })
  const hash = createHash('sha256').update(bytes).digest('hex')
  if (hash !== expectedHash) {
    const problem = `expected a word table with SHA-256 ${expectedHash}, got ${hash}`
    throw new EmbedderError('ASSET_UNREADABLE', problem)
  }
  return decodeTable(bytes)
}
