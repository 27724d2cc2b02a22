import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createLogger, createWorker, definePlugin, memoryQueue } from '@mcp-worker/runtime'
import { expect, it } from 'vitest'
import { z } from 'zod'

it('ends the start of a plugin whose setup takes longer than it asked for, by its signal', async () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'mcp-worker-setup-'))
  const slow = definePlugin({
    contract: 1,
    name: '@test/slow',
    version: '1.0.0',
    module: import.meta.url,
    options: z.strictObject({}),
    setupTimeout: '20ms',
    setup: async ({ signal }) => {
      await once(signal, 'abort')
      signal.throwIfAborted()
    },
  })
  const logger = createLogger({ destination: { write: () => {} } })
  const worker = createWorker({ plugins: [slow()], queue: memoryQueue(), dataDir, logger })
  await expect(worker.start()).rejects.toMatchObject({
    code: 'handshake_failed',
    faults: [{ path: '@test/slow' }],
  })
  rmSync(dataDir, { recursive: true, force: true })
})
