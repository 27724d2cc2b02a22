import { join } from 'node:path'
import vectorIndex, { openSqliteStore } from '@mcp-worker/handler-vector-index'
import { testPlugin } from '@mcp-worker/runtime/testing'

const plugin = vectorIndex()

/** What the file holds, and how many documents were counted: those that a delivery committed before it died count once. */
async function effectIn(dataDir: string, result: unknown): Promise<unknown> {
  const { inserted = 0, updated = 0, unchanged = 0 } = result as Record<string, number>
  const store = await openSqliteStore({ path: join(dataDir, 'vectors.db') })
  try {
    const { documents } = await store.list({ collection: 'documents', after: null, limit: 1000 })
    const contents = documents.map(({ id, contentHash, chunks }) => ({ id, contentHash, chunks }))
    return { counted: inserted + updated + unchanged, collections: await store.collections(), contents }
  } finally {
    await store.close()
  }
}

// a search needs a collection, and the suite asks its queries of an empty plugin: search.test.ts has them
testPlugin(
  { ...plugin, queries: [] },
  {
    samples: {
      vector_index: {
        payload: {
          documents: Array.from({ length: 200 }, (_, i) => ({
            id: `d${i}`,
            text: `The document number ${i}.`,
          })),
          batch_size: 5,
        },
        invalid: [
          { documents: ['a'], colour: 'red' },
          { operation: 'sync', documents: [] },
          { operation: 'delete' },
          { operation: 'delete', filter: {} },
          { operation: 'drop', collection: 'a', confirm: 'b' },
          { documents: ['a'], collection: '../a' },
        ],
        state: ({ dataDir }, result) => effectIn(dataDir, result),
      },
    },
  },
)
