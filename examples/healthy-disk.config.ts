import { resolve } from 'node:path'
import dataCleanup from '@mcp-worker/handler-data-cleanup'
import { defineConfig } from '@mcp-worker/worker'

export default defineConfig({
  plugins: [
    dataCleanup({
      targets: {
        // half-finished work of jobs that died
        temp_files: { kind: 'files', root: resolve('scratch'), olderThan: '24h' },
        // a cache with a time to live
        cache_entries: { kind: 'files', root: resolve('cache'), olderThan: '7d' },
        logs: { kind: 'files', root: resolve('logs'), include: ['*.log', '*.log.gz'], olderThan: '30d' },
        hf_cache: { kind: 'hf_cache', root: resolve('hub'), olderThan: '30d' },
        database: {
          kind: 'database',
          olderThan: '30d',
          databases: [
            {
              name: 'app',
              engine: 'sqlite',
              path: resolve('app.db'),
              prune: [{ table: 'events', column: 'created_at', unit: 'ms' }],
            },
          ],
        },
      },
    }),
  ],
  schedules: [
    {
      name: 'clean_temp_files',
      type: 'data_cleanup',
      payload: { target: 'temp_files' },
      cron: '10 3 * * *',
      timezone: 'Europe/Berlin',
    },
  ],
})
