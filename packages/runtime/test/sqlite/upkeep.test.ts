import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { expect, it, onTestFinished } from 'vitest'
import { DEFAULT_LIMITS } from '../../src/queue.js'
import { openStore } from '../../src/sqlite/store.js'
import { createTransactions } from '../../src/sqlite/transact.js'
import { createUpkeep } from '../../src/sqlite/upkeep.js'
import { fakeClock } from '../../src/testing/fake-clock.js'

/** A file with a task that runs here, what looks after it, and another process. */
function opened() {
  const directory = mkdtempSync(join(tmpdir(), 'mcp-worker-upkeep-'))
  const path = join(directory, 'tasks.db')
  const { clock, advance } = fakeClock()
  const limits = { ...DEFAULT_LIMITS, leaseMs: 300_000 }
  const store = openStore({ path, durability: 'process', limits, owner: 'one', reserveBytes: 0 }, clock)
  // in place of a twelfth of the lease
  store.db.exec('PRAGMA busy_timeout = 1')
  const neighbour = new DatabaseSync(path)
  onTestFinished(() => {
    neighbour.close()
    store.close()
    rmSync(directory, { recursive: true, force: true })
  })
  const { transact } = createTransactions(store, () => {})
  const whenever = { priority: 0, runAt: 0, maxAttempts: 5, timeoutMs: null, expiresAt: null }
  const task = { id: 'one', type: 'alpha', version: 1, payload: '{}', ...whenever, idempotency: null }
  const request = { wants: [{ type: 'alpha', versions: [1], free: 1 }], max: 1 }
  transact(() => store.accept([task], 0))
  const fence = transact(() => store.claim(request)).rows[0]?.fence
  return { upkeep: createUpkeep(store, transact, clock, () => {}), neighbour, advance, fence }
}

it('what another process did is told as soon as the store can be written again', () => {
  const { upkeep, neighbour, advance, fence } = opened()
  upkeep.look()
  neighbour.exec('UPDATE tasks SET cancel_requested = 1')
  neighbour.exec('BEGIN IMMEDIATE')
  // old keys are forgotten once a minute: that has to be written
  advance(61_000)
  expect(() => upkeep.look()).toThrow('held the write lock for too long')
  neighbour.exec('ROLLBACK')
  expect(upkeep.look().wake).toMatchObject({ cancelled: [fence] })
  expect(upkeep.look().wake).toBeNull()
})
