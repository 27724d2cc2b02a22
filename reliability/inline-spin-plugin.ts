/** Handlers in the worker's own event loop: one that blocks it, and the canary, which is to go on whatever others do. */
import { definePlugin } from '@mcp-worker/runtime'
import { z } from 'zod'
import { openLedger } from './ledger.ts'

export default definePlugin({
  contract: 1,
  name: '@mcp-worker/handler-inline-spin',
  version: '1.0.0',
  module: import.meta.url,
  options: z.strictObject({ ledger: z.string() }),
  setup: ({ options }) => openLedger(options.ledger),
  handlers: (handler) => [
    handler('spin_inline', {
      payload: z.strictObject({}),
      result: z.strictObject({}),
      timeout: '1s',
      retry: { maxAttempts: 1 },
      run: ({ task, deps: ledger }) => {
        ledger.write({
          e: 'start',
          id: task.id,
          d: task.delivery,
          a: task.attempt,
          pid: process.pid,
          kept: 0,
        })
        for (;;);
      },
    }),
    handler('canary', { payload: z.strictObject({}), result: z.strictObject({}), run: () => ({}) }),
  ],
})
