import { createRequire } from 'node:module'
import { definePlugin, taskStore } from '@mcp-worker/runtime'
import { statFree } from './clean-files.js'
import { createOpenFiles } from './files/open-files.js'
import { checkHealth } from './health.js'
import { createCleanupMetrics } from './metrics.js'
import { optionsSchema } from './options.js'
import { payloadSchema, previewInputSchema, previewOutputSchema, resultSchema } from './payload.js'
import { previewCleanup } from './preview.js'
import { type CleanupDeps, runCleanup } from './run-cleanup.js'
import { targetsOf } from './targets.js'

const { version } = createRequire(import.meta.url)('../package.json') as { readonly version: string }

/** The `data_cleanup` task, and the query `cleanup_preview`. */
export default definePlugin({
  contract: 1,
  name: '@mcp-worker/handler-data-cleanup',
  version,
  module: import.meta.url,
  options: optionsSchema,
  uses: { taskStore },
  // node:sqlite computes on the thread that calls it
  host: 'thread',
  setup: async ({ options, dataDir, metrics, services }): Promise<CleanupDeps> => {
    const instruments = createCleanupMetrics(metrics)
    return {
      targets: await targetsOf(options, dataDir),
      metrics: instruments,
      taskStore: services.taskStore,
      around: {
        dataDir,
        concurrency: options.concurrency,
        maxDepth: options.maxDepth,
        now: Date.now,
        openFiles: createOpenFiles(),
        freeSpace: statFree,
      },
    }
  },
  health: ({ deps }) => checkHealth(deps),
  handlers: (handler) => [
    handler('data_cleanup', {
      description: 'Deletes what is old in a configured target: files, cache entries, database rows.',
      payload: payloadSchema,
      result: resultSchema,
      timeout: '30m',
      concurrency: 2,
      run: (context) => runCleanup(context.payload, context.deps, context),
    }),
  ],
  queries: (query) => [
    query('cleanup_preview', {
      description: 'What a data_cleanup task would delete now, page by page. Changes nothing.',
      input: previewInputSchema,
      output: previewOutputSchema,
      run: ({ input, deps, signal }) => previewCleanup(input, deps, signal),
    }),
  ],
})
