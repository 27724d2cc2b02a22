import { definePlugin } from '@mcp-worker/runtime'
import { z } from 'zod'

export default definePlugin({
  contract: 1,
  name: '@acme/handler-word-count',
  version: '1.0.0',
  module: import.meta.url,
  options: z.strictObject({ minLength: z.int().min(1).default(1) }),
  host: 'thread', // a thread can be killed: even an endless loop ends at its timeout
  setup: ({ options }) => ({ longEnough: (word: string) => word.length >= options.minLength }),
  handlers: (handler) => [
    handler('word_count', {
      payload: z.strictObject({ texts: z.array(z.string()).min(1) }),
      result: z.strictObject({ words: z.int() }),
      timeout: '30s',
      retry: { maxAttempts: 3 },
      run: async ({ payload, deps, progress, signal }) => {
        let words = 0
        for (const [index, text] of payload.texts.entries()) {
          signal.throwIfAborted()
          words += text.split(/\s+/).filter(deps.longEnough).length
          progress(index + 1, payload.texts.length)
        }
        return { words }
      },
    }),
  ],
})
