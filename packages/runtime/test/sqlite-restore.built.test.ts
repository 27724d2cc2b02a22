import { once } from 'node:events'
import { copyFileSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { backupQueue, checkQueueFile, countWorkers, restoreQueue } from '@mcp-worker/runtime/sqlite'
import { describe, expect, it } from 'vitest'
import { at, codeOf, makeQueue, startWorker } from './backup-worker.js'

async function makeBackup(): Promise<void> {
  await makeQueue(at('queue.db'))
  await backupQueue(at('queue.db'), at('backup.db'))
}

describe('restoreQueue', () => {
  it('refuses every backup that was cut off, wherever, and leaves the folder as it was', async () => {
    await makeBackup()
    const bytes = readFileSync(at('backup.db'))
    for (let size = 0; size < bytes.length; size += 1_021) {
      writeFileSync(at('cut.db'), bytes.subarray(0, size))
      expect(await codeOf(() => restoreQueue(at('cut.db'), at('new/queue.db'))), `${size}`).toBe(
        'store_failed',
      )
    }
    expect(readdirSync(at('new'))).toEqual([])
  })

  it('refuses a backup in which any byte of a payload is another', async () => {
    await makeBackup()
    const bytes = readFileSync(at('backup.db'))
    const first = bytes.indexOf('bbbbbbbb')
    for (const offset of [first, first + 1_000, first + 1_999]) {
      const flipped = Buffer.from(bytes)
      flipped[offset]! ^= 1
      writeFileSync(at('flipped.db'), flipped)
      expect(restoreQueue(at('flipped.db'), at('new/queue.db'))).toMatchObject({
        kind: 'damaged',
        report: { damaged: 1, damagedIds: ['b'] },
      })
    }
    expect(readdirSync(at('new'))).toEqual([])
    const anyway = restoreQueue(at('flipped.db'), at('new/queue.db'), { acceptDamaged: true })
    expect(anyway).toMatchObject({ kind: 'restored', report: { tasks: 3 } })
  })

  it.each([
    ['of another program', 'CREATE TABLE customers (id INTEGER) STRICT', 'store_failed'],
    ['without any table', 'PRAGMA user_version = 0', 'store_failed'],
    [
      'of a newer version',
      'CREATE TABLE tasks (seq INTEGER) STRICT; PRAGMA application_id = 1835234167; PRAGMA user_version = 99',
      'store_newer',
    ],
  ])('refuses a database %s', async (_which, sql, code) => {
    await makeQueue(at('queue.db'))
    const before = readFileSync(at('queue.db'))
    const db = new DatabaseSync(at('other.db'))
    db.exec(sql)
    db.close()
    expect(await codeOf(() => restoreQueue(at('other.db'), at('queue.db')))).toBe(code)
    expect(readFileSync(at('queue.db')).equals(before)).toBe(true)
  })

  it('refuses while a worker has the queue open, counts them, and works once they have stopped', async () => {
    await makeBackup()
    const { worker } = await startWorker(at('queue.db'))
    expect(countWorkers(at('queue.db'))).toBe(1)
    expect(restoreQueue(at('backup.db'), at('queue.db'))).toEqual({ kind: 'in_use', workers: 1 })
    await worker.stop()
    expect(countWorkers(at('queue.db'))).toBe(0)
    expect(restoreQueue(at('backup.db'), at('queue.db'))).toMatchObject({ kind: 'restored' })
  })

  it('refuses while another program has the queue open', async () => {
    await makeBackup()
    const reader = new DatabaseSync(at('queue.db'), { readOnly: true })
    reader.prepare('SELECT count(*) FROM tasks').get()
    expect(restoreQueue(at('backup.db'), at('queue.db'))).toEqual({ kind: 'in_use', workers: 0 })
    reader.close()
    expect(restoreQueue(at('backup.db'), at('queue.db'))).toMatchObject({ kind: 'restored' })
  })

  it('keeps the queue that was there, whole, under a name of its own', async () => {
    await makeBackup()
    const { worker } = await startWorker(at('queue.db'))
    await worker.submit('echo', { text: 'later' }, { id: 'later', delay: '1h' })
    await worker.stop()
    const outcome = restoreQueue(at('backup.db'), at('queue.db'))
    if (outcome.kind !== 'restored' || outcome.setAside === null) throw new Error(outcome.kind)
    expect(checkQueueFile(at('queue.db'))).toMatchObject({ tasks: 3 })
    expect(checkQueueFile(outcome.setAside)).toMatchObject({ tasks: 4 })
    expect(restoreQueue(outcome.setAside, at('queue.db'))).toMatchObject({
      kind: 'restored',
      report: { tasks: 4 },
    })
  })

  it('takes the place of a queue that is no database any more, which it keeps as it was', async () => {
    await makeBackup()
    const rubble = Buffer.alloc(10_000, 'rubble')
    writeFileSync(at('queue.db'), rubble)
    writeFileSync(at('queue.db-wal'), 'an old log')
    const outcome = restoreQueue(at('backup.db'), at('queue.db'))
    if (outcome.kind !== 'restored' || outcome.setAside === null) throw new Error(outcome.kind)
    expect(readFileSync(outcome.setAside).equals(rubble)).toBe(true)
    expect(readFileSync(`${outcome.setAside}-wal`, 'utf8')).toBe('an old log')
    expect(existsSync(at('queue.db-wal'))).toBe(false)
    expect(checkQueueFile(at('queue.db'))).toMatchObject({ tasks: 3, damaged: 0 })
  })

  it('lets go what ran when the backup was made, without a charge, and it runs again', async () => {
    const { worker, started } = await startWorker(at('queue.db'))
    const isRunning = once(started, 'started')
    await worker.submit('hold', { text: 'held' }, { id: 'held' })
    await isRunning
    await backupQueue(at('queue.db'), at('backup.db'))
    expect(restoreQueue(at('backup.db'), at('other/queue.db'))).toMatchObject({
      kind: 'restored',
      released: 1,
    })
    const db = new DatabaseSync(at('other/queue.db'))
    const counters = db
      .prepare('SELECT status, deliveries, attempts, crashes, releases, owner FROM tasks')
      .get()
    const tally = db.prepare(`SELECT status, n FROM counts WHERE n <> 0`).all()
    db.close()
    expect({ ...counters }).toEqual({
      status: 'queued',
      deliveries: 1,
      attempts: 0,
      crashes: 0,
      releases: 1,
      owner: null,
    })
    expect(tally.map((row) => ({ ...row }))).toEqual([{ status: 'queued', n: 1 }])
    const next = new EventTarget()
    const runsAgain = once(next, 'started')
    const { worker: second } = await startWorker(at('other/queue.db'), next)
    await runsAgain
    expect(await second.get('held')).toMatchObject({ status: 'running', deliveries: 2 })
  })

  it('takes a file with its log beside it, as a killed worker leaves them, and changes neither', async () => {
    await startWorker(at('queue.db')).then(({ worker }) =>
      worker.submit('echo', { text: 'in the log' }, { id: 'logged', delay: '1h' }),
    )
    for (const suffix of ['', '-wal']) copyFileSync(at(`queue.db${suffix}`), at(`left.db${suffix}`))
    const log = readFileSync(at('left.db-wal'))
    expect(log.length).toBeGreaterThan(0)
    expect(restoreQueue(at('left.db'), at('new/queue.db'))).toMatchObject({
      kind: 'restored',
      report: { tasks: 1 },
    })
    expect(readFileSync(at('left.db-wal')).equals(log)).toBe(true)
  })
})
