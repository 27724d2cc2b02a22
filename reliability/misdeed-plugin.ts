/** The misdeeds of misdeeds.ts, in threads. */
import { definePlugin } from '@mcp-worker/runtime'
import { z } from 'zod'
import { FLOODS, MISDEEDS_ALIVE } from './misdeeds.ts'

export default definePlugin({
  contract: 1,
  name: '@mcp-worker/handler-misdeed',
  version: '1.0.0',
  module: import.meta.url,
  host: 'thread',
  options: z.strictObject({ ledger: z.string() }),
  handlers: (handler) =>
    Object.entries({ ...MISDEEDS_ALIVE, ...FLOODS }).map(([name, deed]) =>
      handler(`thread_${name}`, {
        payload: z.strictObject({}),
        result: z.unknown(),
        timeout: name === 'deaf' ? '1s' : '30s',
        retry: { maxAttempts: 1 },
        run: () => deed(),
      }),
    ),
})
