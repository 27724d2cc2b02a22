import { createRequire } from 'node:module'
import { definePlugin } from '@mcp-worker/runtime'
import { z } from 'zod'
import { abortableStore } from './abortable-store.js'
import { openDocumentsRoot } from './documents-root.js'
import { createLazyEmbedder } from './lazy-embedder.js'
import { createVectorIndexMetrics } from './metrics.js'
import { openStore } from './open-store.js'
import { runOperation } from './operations.js'
import { optionsSchema } from './options.js'
import {
  collectionsOutputSchema,
  payloadSchema,
  resultSchema,
  searchInputSchema,
  searchOutputSchema,
} from './payload.js'
import { listCollections, searchVectors } from './search.js'
import {
  createSharedEmbedder,
  EMBEDDER_SERVICE,
  type EmbedderService,
  type EmbedderSource,
} from './shared-embedder.js'
import type { VectorStore } from './store.js'

const { version } = createRequire(import.meta.url)('../package.json') as { readonly version: string }

/** The `vector_index` task, and the queries `vector_search` and `vector_collections`. */
export default definePlugin({
  contract: 1,
  name: '@mcp-worker/handler-vector-index',
  version,
  module: import.meta.url,
  options: optionsSchema,
  // node:sqlite and the built-in embedder compute on the thread that calls them
  host: 'thread',
  uses: { embedder: EMBEDDER_SERVICE.optional() },
  setup: async ({ options, dataDir, metrics: instruments }) => {
    const { documentsRoot } = options
    const root = documentsRoot === undefined ? null : await openDocumentsRoot(documentsRoot)
    const store = await openStore(options.store, dataDir)
    const metrics = createVectorIndexMetrics(instruments)
    const own = createLazyEmbedder(options.embedder)
    const note = (source: EmbedderSource) => metrics.embedderUses.inc({ source })
    const embedderFrom = createSharedEmbedder(options.embedder, { own, note })
    return { options, root, store, metrics, own, embedderFrom }
  },
  health: ({ deps, signal }) => deps.store.ping(signal),
  teardown: async ({ deps }) => {
    await deps.store.close()
    await deps.own.close()
  },
  handlers: (handler) => [
    handler('vector_index', {
      description:
        'Puts documents into a collection of vectors, keeps it like its source, and looks after it.',
      payload: payloadSchema,
      result: resultSchema,
      timeout: '30m',
      concurrency: 2,
      run: (context) => runOperation(context.payload, seenBy(context), context),
    }),
  ],
  queries: (query) => [
    query('vector_search', {
      description: 'The documents of a collection that are nearest in meaning to a text or a vector.',
      input: searchInputSchema,
      output: searchOutputSchema,
      run: (context) => {
        const { input, deps, signal } = context
        return deps.metrics.timeSearch(() => searchVectors(input, seenBy(context), signal))
      },
    }),
    query('vector_collections', {
      description: 'The collections of the store.',
      input: z.strictObject({}),
      output: collectionsOutputSchema,
      run: ({ deps, signal }) => listCollections(abortableStore(deps.store, signal)),
    }),
  ],
})

interface Caller<D> {
  readonly deps: D & { readonly embedderFrom: ReturnType<typeof createSharedEmbedder> }
  readonly services: { readonly embedder: EmbedderService | undefined }
  readonly signal: AbortSignal
}

/** What the plugin keeps, with the embedder and the store as this task or query sees them. */
function seenBy<D extends { readonly store: VectorStore }>({ deps, services, signal }: Caller<D>) {
  const store = abortableStore(deps.store, signal)
  return { ...deps, store, embedder: deps.embedderFrom(services.embedder) }
}
