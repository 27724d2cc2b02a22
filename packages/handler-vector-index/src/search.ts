import { NonRetryableError } from '@mcp-worker/runtime'
import type { z } from 'zod'
import { sayFault } from './faults.js'
import type { TextEmbedder } from './lazy-embedder.js'
import type { collectionsOutputSchema, searchInputSchema, searchOutputSchema } from './payload.js'
import type { CollectionInfo, Hit, VectorStore } from './store.js'
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
  const ask = (vector: Float32Array) => store.search({ collection, vector, k, filter })
  const hits =
    input.vector === undefined
      ? await searchText(input.text ?? '', collection, { store, embedder, signal, ask })
      : await ask(asUnitVector(input.vector))
  return {
    hits: hits.map((hit) => ({ ...hit, metadata: JSON.parse(hit.metadata) as Record<string, unknown> })),
  }
}

interface TextSearch extends SearchDeps {
  readonly signal: AbortSignal
  readonly ask: (vector: Float32Array) => Promise<readonly Hit[]>
}

/** The embedder is compared once more after the search: a reindex may have swapped in vectors of another one in between. */
async function searchText(
  text: string,
  collection: string,
  { store, embedder, signal, ask }: TextSearch,
): Promise<readonly Hit[]> {
  const own = await embedder.describe(signal)
  mustBeOf(own.fingerprint, await store.describe(collection))
  const [vector] = await embedder.embed([text], signal)
  const hits = await ask(asUnitVector(vector ?? []))
  mustBeOf(own.fingerprint, await store.describe(collection))
  return hits
}

/** The query `vector_collections`. */
export async function listCollections(store: VectorStore): Promise<z.input<typeof collectionsOutputSchema>> {
  return { collections: [...(await store.collections())] }
}

function mustBeOf(fingerprint: string, collection: CollectionInfo | null): void {
  if (collection === null || collection.embedder === fingerprint) return
  throw new NonRetryableError(
    `collection "${collection.name}" has vectors of the embedder "${collection.embedder}", this worker's is ` +
      `"${fingerprint}": ask with a vector, or configure that embedder`,
    { code: 'EMBEDDER_MISMATCH' },
  )
}

function asUnitVector(values: ArrayLike<number>): Float32Array {
  const unit = unitVector(values)
  if (typeof unit !== 'string') return unit
  throw new NonRetryableError(`the question cannot be searched for: ${sayFault(unit)}`, { code: unit })
}
