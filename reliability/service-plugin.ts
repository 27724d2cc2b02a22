/** Handlers of the service under test. */
import { setTimeout as sleep } from 'node:timers/promises'
import { definePlugin } from '@mcp-worker/runtime'
import { z } from 'zod'

export default definePlugin({
  contract: 1,
  name: '@mcp-worker/handler-under-test',
  version: '1.0.0',
  module: import.meta.url,
  options: z.strictObject({}).optional(),
  handlers: (handler) => [
    handler('work', {
      description: 'Takes `ms`, answers the text',
      payload: z.strictObject({
        text: z.string(),
        ms: z.int().min(0).default(0),
        any: z.unknown().optional(),
      }),
      result: z.strictObject({ text: z.string() }),
      timeout: '5m',
      run: async ({ payload, signal }) => {
        if (payload.ms > 0) await sleep(payload.ms, undefined, { signal })
        return { text: payload.text.slice(0, 100) }
      },
    }),
  ],
  queries: (query) => [
    query('sum', {
      description: 'Adds numbers',
      input: z.strictObject({ numbers: z.array(z.number()) }),
      output: z.number(),
      run: ({ input }) => input.numbers.reduce((a, b) => a + b, 0),
    }),
  ],
})
