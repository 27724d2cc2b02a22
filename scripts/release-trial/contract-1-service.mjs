// Part of contract-1.mjs: the plugin whose service it uses. Never edited either.
import { definePlugin, defineService } from '@mcp-worker/runtime'
import { z } from 'zod'

export default definePlugin({
  contract: 1,
  name: '@acme/handler-contract-service',
  version: '1.0.0',
  module: import.meta.url,
  options: z.strictObject({}),
  setup: () => ({ mark: '!' }),
  provides: (provide) => [
    provide(defineService('acme.shout'), ({ deps }) => ({
      shout: async (text) => text.toUpperCase() + deps.mark,
    })),
  ],
})
