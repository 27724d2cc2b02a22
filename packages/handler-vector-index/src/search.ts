import { NonRetryableError } from '@mcp-worker/runtime'
import type { z } from 'zod'
import { sayFault } from './faults.js'
import type { TextEmbedder } from './lazy-embedder.js'
import type { collectionsOutputSchema, searchInputSchema, searchOutputSchema } from './payload.js'
import type { CollectionInfo, VectorStore } from './store.js'
import { unitVector } from './vector.js'

interface SearchDeps {
  readonly store: VectorStore
  readonly embedder: TextEmbedder
}

/** The query `vector_search`. Throws `COLLECTION_NOT_FOUND`, `EMBEDDER_MISMATCH`, `DIM_MISMATCH`, or what is wrong with the vector. */
export async function searchVectors(
  input: z.output<typeof searchInputSchema>,
  { store, embedder }: SearchDeps,
  signal: AbortSignal,
): Promise<z.input<typeof searchOutputSchema>> {
  const { collection, k, filter = null } = input
  const vector =
    input.vector === undefined
      ? await embedQuestion(input.text ?? '', await store.describe(collection), embedder, signal)
      : asUnitVector(input.vector)
  const hits = await store.search({ collection, vector, k, filter })
  return {
    hits: hits.map((hit) => ({ ...hit, metadata: JSON.parse(hit.metadata) as Record<string, unknown> })),
  }
}

/** The query `vector_collections`. */
export async function listCollections(store: VectorStore): Promise<z.input<typeof collectionsOutputSchema>> {
  return { collections: [...(await store.collections())] }
}

async function embedQuestion(
  text: string,
  collection: CollectionInfo | null,
  embedder: TextEmbedder,
  signal: AbortSignal,
): Promise<Float32Array> {
  const own = await embedder.describe()
  if (collection !== null && collection.embedder !== own.fingerprint) {
    throw new NonRetryableError(
      `collection "${collection.name}" has vectors of the embedder "${collection.embedder}", this worker's is ` +
        `"${own.fingerprint}": ask with a vector, or configure that embedder`,
      { code: 'EMBEDDER_MISMATCH' },
    )
  }
  const [vector] = await embedder.embed([text], signal)
  return asUnitVector(vector ?? [])
}

function asUnitVector(values: ArrayLike<number>): Float32Array {
  const unit = unitVector(values)
  if (typeof unit !== 'string') return unit
  throw new NonRetryableError(`the question cannot be searched for: ${sayFault(unit)}`, { code: unit })
}
