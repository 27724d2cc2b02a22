import { defineConfig } from '@mcp-worker/worker'
import wordCount from './word-count.ts'

export default defineConfig({
  plugins: [wordCount({ minLength: 3 }), { package: '@mcp-worker/handler-vector-index', host: 'thread' }],
})
