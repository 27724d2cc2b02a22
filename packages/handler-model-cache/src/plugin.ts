import { createRequire } from 'node:module'
import { definePlugin } from '@mcp-worker/runtime'
import { EMBEDDER_SERVICE } from './embedder-service.js'
import { openEngines } from './open-engines.js'
import { openModelCache } from './open-cache.js'
import { perform } from './operations.js'
import { optionsSchema } from './options.js'
import { payloadSchema, resultSchema, statusInputSchema, statusOutputSchema } from './payload.js'
import { describeCache } from './status.js'

const { version } = createRequire(import.meta.url)('../package.json') as { readonly version: string }

/** The `model_cache` task, the query `model_cache_status`, and the service `embedder`. */
export default definePlugin({
  contract: 1,
  name: '@mcp-worker/handler-model-cache',
  version,
  module: import.meta.url,
  options: optionsSchema,
  // joins and reservations need one memory; loads compute in threads and processes of their engines
  host: 'inline',
  // the warm list has a limit of its own: `warmTimeout`
  setupTimeout: '24h',
  setup: ({ options, dataDir, log, metrics, signal }) =>
    openModelCache({ options, engines: openEngines(options, dataDir), log, metrics, signal }),
  provides: (provide) => [provide(EMBEDDER_SERVICE, ({ deps, signal }) => deps.embedders(signal))],
  health: ({ deps }) => deps.checkHealth(),
  teardown: ({ deps }) => deps.close(),
  handlers: (handler) => [
    handler('model_cache', {
      description: 'Loads models into memory, warms, pins and evicts them.',
      payload: payloadSchema,
      result: resultSchema,
      timeout: '30m',
      run: ({ payload, deps, signal, progress }) => perform(payload, { signal, progress }, deps),
    }),
  ],
  queries: (query) => [
    query('model_cache_status', {
      description:
        'The models in memory of the replica that answers, their budget, and why the last eviction chose what it chose.',
      input: statusInputSchema,
      output: statusOutputSchema,
      run: ({ input, deps }) => describeCache(input, deps),
    }),
  ],
})
