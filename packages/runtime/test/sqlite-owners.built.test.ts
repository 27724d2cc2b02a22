import { mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { createLogger, createWorker } from '@mcp-worker/runtime'
import { sqliteQueue } from '@mcp-worker/runtime/sqlite'
import { expect, it, onTestFinished } from 'vitest'

/** The file of an owner, locked as a living one holds it. */
function owner(folder: string, name: string, age: 'old' | 'young'): DatabaseSync {
  const file = join(folder, `${name}.db`)
  const db = new DatabaseSync(file)
  db.exec('BEGIN EXCLUSIVE')
  const twoHoursAgo = Date.now() / 1000 - 7200
  if (age === 'old') utimesSync(file, twoHoursAgo, twoHoursAgo)
  return db
}

it('a start removes the files of owners that died idle, not of those that live or just begin', async () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'mcp-worker-owners-'))
  const folder = join(dataDir, 'queue.db-owners')
  mkdirSync(folder)
  owner(folder, 'died-long-ago', 'old').close()
  owner(folder, 'begins', 'young').close()
  const living = owner(folder, 'lives', 'old')
  const worker = createWorker({
    plugins: [],
    queue: sqliteQueue({ path: join(dataDir, 'queue.db') }),
    dataDir,
    logger: createLogger({ destination: { write: () => {} } }),
  })
  onTestFinished(async () => {
    await worker.stop({ timeoutMs: 1000 })
    living.close()
    rmSync(dataDir, { recursive: true, force: true })
  })
  await worker.start()
  const names = readdirSync(folder).filter((name) => /^(died|begins|lives).*\.db$/.test(name))
  expect(names.toSorted()).toEqual(['begins.db', 'lives.db'])
})
