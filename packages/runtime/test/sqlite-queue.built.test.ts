import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { createKeeper, DEFAULT_LIMITS, type Wake } from '@mcp-worker/runtime'
import { sqliteQueue } from '@mcp-worker/runtime/sqlite'
import { fakeClock, testQueueDriver, type QueueFactory } from '@mcp-worker/runtime/testing'

const sqliteFixture: QueueFactory = async () => {
  const directory = mkdtempSync(join(tmpdir(), 'sqlite-queue-'))
  const path = join(directory, 'queue.db')
  const { clock } = fakeClock()
  return {
    clock,
    async openOwner(given) {
      const limits = { ...DEFAULT_LIMITS, ...given }
      const keeper = createKeeper({ clock, leaseMs: limits.leaseMs, graceMs: 5000, onDeath: () => {} })
      const driver = sqliteQueue({ path })
      const wakes: Wake[] = []
      driver.onWake((wake) => wakes.push(wake))
      await driver.open({ clock, keeper, limits, log: () => {}, onFatal: () => {} })
      const close: typeof driver.close = (options) => driver.close(options)
      const owned = {
        ...driver,
        async close(options: { readonly deadlineMs: number }) {
          await close(options)
          await keeper.close({ deadlineMs: 5000 })
        },
      }
      return { driver: owned, wakes, crash: () => keeper.close({ deadlineMs: 0 }) }
    },
    reopenStore: async () => {},
    async corrupt(id) {
      const db = new DatabaseSync(path, { timeout: 5000 })
      db.prepare(
        `UPDATE bodies SET payload = '{"flipped":true}' WHERE seq = (SELECT seq FROM tasks WHERE id = ?)`,
      ).run(id)
      db.close()
    },
    // a writer that never ends: what the driver writes waits behind it
    async freeze() {
      const db = new DatabaseSync(path, { timeout: 5000 })
      db.exec('BEGIN IMMEDIATE')
      return async () => db.close()
    },
    dispose: async () => rmSync(directory, { recursive: true, force: true }),
  }
}

// the reliability suite `model` plays ten times as many lives with every change, and those of a seed that failed
const { MODEL_RUNS: runs = '30', MODEL_SEED: seed } = process.env
testQueueDriver('SQLite queue', sqliteFixture, {
  runs: Number(runs),
  ...(seed !== undefined && { seed: Number(seed) }),
})
