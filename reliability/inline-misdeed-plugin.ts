/** The misdeeds of misdeeds.ts, in the worker's own event loop. */
import { definePlugin } from '@mcp-worker/runtime'
import { z } from 'zod'
import { MISDEEDS_ALIVE } from './misdeeds.ts'

export default definePlugin({
  contract: 1,
  name: '@mcp-worker/handler-inline-misdeed',
  version: '1.0.0',
  module: import.meta.url,
  host: 'inline',
  options: z.strictObject({ ledger: z.string() }),
  handlers: (handler) =>
    Object.entries(MISDEEDS_ALIVE).map(([name, deed]) =>
      handler(`inline_${name}`, {
        payload: z.strictObject({}),
        result: z.unknown(),
        timeout: name === 'deaf' ? '1s' : '30s',
        retry: { maxAttempts: 1 },
        run: () => deed(),
      }),
    ),
})
