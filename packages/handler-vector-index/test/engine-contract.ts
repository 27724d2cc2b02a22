import vectorIndex, { type StoreInput, type VectorStore } from '@mcp-worker/handler-vector-index'
import { testPlugin } from '@mcp-worker/runtime/testing'

export interface ContractPlace {
  readonly options: StoreInput
  /** For the test; it is asked after each run. */
  readonly store: VectorStore
  /** Makes the place as it was when it was new. */
  readonly empty: () => Promise<void>
}

/** The runtime's suite for plugins: delivered twice, killed, cancelled, shut down, each time with the effect of one run. */
export function testContract({ options, store, empty }: ContractPlace): void {
  const plugin = vectorIndex({ store: options })
  // a search needs a collection, and the suite asks its queries of an empty plugin
  testPlugin(
    { ...plugin, queries: [] },
    {
      // each death is a thread and an embedder more
      timeoutMs: 120_000,
      samples: {
        vector_index: {
          payload: {
            documents: Array.from({ length: 20 }, (_, i) => ({
              id: `d${i}`,
              text: `The document number ${i}.`,
            })),
            batch_size: 4,
          },
          prepare: empty,
          state: (_, result) => effectIn(store, result),
        },
      },
    },
  )
}

/** What the place holds, and how many documents were counted: those that a delivery committed before it died count once. */
async function effectIn(store: VectorStore, result: unknown): Promise<unknown> {
  const { inserted = 0, updated = 0, unchanged = 0 } = result as Record<string, number>
  const { documents } = await store.list({ collection: 'documents', after: null, limit: 1000 })
  const contents = documents
    .map(({ id, contentHash, chunks }) => ({ id, contentHash, chunks }))
    .toSorted((a, b) => (a.id < b.id ? -1 : 1))
  return { counted: inserted + updated + unchanged, collections: await store.collections(), contents }
}
