import vectorIndex from '@mcp-worker/handler-vector-index'
import { defineConfig } from '@mcp-worker/worker'
import wordCount from './word-count.ts'

export default defineConfig({
  plugins: [
    wordCount({ minLength: 3 }), // imported: its options are checked by the compiler
    { plugin: vectorIndex(), host: 'thread' }, // imported, and moved to a thread
    { package: '@mcp-worker/handler-data-cleanup', options: {} }, // named: works in JSON as well
  ],
  tokens: [{ name: 'shop', tokenEnv: 'SHOP_TOKEN', scopes: ['submit:word_count', 'read'] }],
  limits: { maxWaiting: 100_000 },
  retention: { succeeded: { maxAge: '1h' } },
})
