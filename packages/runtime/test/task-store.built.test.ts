import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createLogger, createWorker } from '@mcp-worker/runtime'
import { sqliteQueue } from '@mcp-worker/runtime/sqlite'
import { expect, it } from 'vitest'
import housekeeper from './fixtures/housekeeper.fixture.js'

it.each(['inline', 'thread'] as const)(
  'prunes results for a plugin in the %s host, oldest first',
  async (host) => {
    const dataDir = mkdtempSync(join(tmpdir(), 'mcp-worker-task-store-'))
    const worker = createWorker({
      plugins: [housekeeper()],
      hosts: { '@test/housekeeper': host },
      queue: sqliteQueue({ path: join(dataDir, 'tasks.db') }),
      dataDir,
      logger: createLogger({ destination: { write: () => {} } }),
    })
    try {
      await worker.start()
      const ended = []
      for (let i = 0; i < 5; i++) {
        const task = await worker.submit('nothing', {})
        await task.result()
        ended.push(task.id)
      }
      const prune = async (dryRun: boolean) => {
        const later = Date.now() + 1000
        const task = await worker.submit('prune', { finished_before: later, max: 3, dry_run: dryRun })
        return task.result()
      }
      expect(await prune(true)).toEqual({ deleted: 3 })
      expect(await worker.get(ended[0]!)).not.toBeNull()
      expect(await prune(false)).toEqual({ deleted: 3 })
      const left = await Promise.all(ended.map(async (id) => (await worker.get(id)) !== null))
      expect(left).toEqual([false, false, false, true, true])
    } finally {
      await worker.stop({ timeoutMs: 2000 })
      rmSync(dataDir, { recursive: true, force: true })
    }
  },
)
