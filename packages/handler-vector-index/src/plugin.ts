import { join } from 'node:path'
import { definePlugin } from '@mcp-worker/runtime'
import { z } from 'zod'
import { deleteDocuments } from './delete.js'
import { openDocuments } from './documents.js'
import { openDocumentsRoot } from './documents-root.js'
import { createLazyEmbedder } from './lazy-embedder.js'
import { createVectorIndexMetrics } from './metrics.js'
import { optionsSchema } from './options.js'
import {
  collectionsOutputSchema,
  payloadSchema,
  resultSchema,
  searchInputSchema,
  searchOutputSchema,
} from './payload.js'
import { listCollections, searchVectors } from './search.js'
import { openSqliteStore } from './sqlite-store.js'
import { writeDocuments } from './upsert.js'

/** The `vector_index` task, and the queries `vector_search` and `vector_collections`. */
export default definePlugin({
  contract: 1,
  name: '@mcp-worker/handler-vector-index',
  version: '1.0.0',
  module: import.meta.url,
  options: optionsSchema,
  // node:sqlite and the built-in embedder compute on the thread that calls them
  host: 'thread',
  setup: async ({ options, dataDir, metrics }) => {
    const root = options.documents_root === undefined ? null : await openDocumentsRoot(options.documents_root)
    const store = await openSqliteStore({
      path: options.path ?? join(dataDir, 'vectors.db'),
      busyTimeoutMs: options.busy_timeout_ms,
      searchMemoryMb: options.search_memory_mb,
    })
    return {
      options,
      root,
      store,
      embedder: createLazyEmbedder(options.embedder),
      metrics: createVectorIndexMetrics(metrics),
    }
  },
  health: ({ deps }) => deps.store.ping(),
  teardown: async ({ deps }) => {
    deps.store.close()
    await deps.embedder.close()
  },
  handlers: (handler) => [
    handler('vector_index', {
      description: 'Puts documents into a collection of vectors, updates and deletes them.',
      payload: payloadSchema,
      result: resultSchema,
      timeout: '30m',
      concurrency: 2,
      run: async (context) => {
        const { payload, deps } = context
        if (payload.operation === 'delete') return deleteDocuments(payload, deps, context)
        const source = await openDocuments(payload, deps.root)
        try {
          return await writeDocuments(payload, source, deps, context)
        } finally {
          await source.close()
        }
      },
    }),
  ],
  queries: (query) => [
    query('vector_search', {
      description: 'The documents of a collection that are nearest in meaning to a text or a vector.',
      input: searchInputSchema,
      output: searchOutputSchema,
      run: ({ input, deps, signal }) => deps.metrics.timeSearch(() => searchVectors(input, deps, signal)),
    }),
    query('vector_collections', {
      description: 'The collections of the store.',
      input: z.strictObject({}),
      output: collectionsOutputSchema,
      run: ({ deps }) => listCollections(deps.store),
    }),
  ],
})
