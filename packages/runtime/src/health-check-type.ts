import { z } from 'zod'
import { definePlugin } from './plugin.js'
import type { HealthReport } from './health.js'

export const HEALTH_CHECK = 'health_check'

/** The runtime's own type: a health check as a task, for those who want one on record. It takes no slot. */
export function healthCheckPlugin(check: () => Promise<HealthReport>) {
  return definePlugin({
    contract: 1,
    name: '@mcp-worker/runtime',
    version: '1.0.0',
    module: import.meta.url,
    options: z.strictObject({}),
    handlers: (handler) => [
      handler(HEALTH_CHECK, {
        description: 'Checks store, event loop, memory, disk, plugins and services now.',
        payload: z.strictObject({}),
        result: z.strictObject({
          ok: z.boolean(),
          checks: z.array(
            z.strictObject({ name: z.string(), ok: z.boolean(), detail: z.record(z.string(), z.unknown()) }),
          ),
        }),
        timeout: '30s',
        concurrency: 1,
        run: async () => {
          const { ok, checks } = await check()
          return { ok, checks: [...checks] }
        },
      }),
    ],
  })()
}
