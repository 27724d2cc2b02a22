import vectorIndex from '@mcp-worker/handler-vector-index'
import { defineConfig } from '@mcp-worker/worker'

export default defineConfig({
  plugins: [
    vectorIndex({
      // tasks may name files below this folder, and no others
      documentsRoot: process.env['DOCUMENTS_ROOT'] ?? 'data/exports',
      // the default: built in, no network, English first. For meaning, a model on a server:
      // embedder: { engine: 'openai', baseUrl: 'http://127.0.0.1:11434/v1', model: 'nomic-embed-text' },
      embedder: { engine: 'builtin' },
    }),
  ],
})
