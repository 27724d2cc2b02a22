import { once } from 'node:events'
import {
  copyFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { createWorker, definePlugin, isWorkerError } from '@mcp-worker/runtime'
import {
  backupQueue,
  type BackupOutcome,
  checkQueueFile,
  countWorkers,
  restoreQueue,
  sqliteQueue,
} from '@mcp-worker/runtime/sqlite'
import { pino } from 'pino'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { z } from 'zod'

const text = z.strictObject({ text: z.string() })

/** `echo` ends at once; `hold` runs until it is stopped, and says when it started. */
function plugin(started: EventTarget) {
  return definePlugin({
    contract: 1,
    name: '@test/backup',
    version: '1.0.0',
    module: import.meta.url,
    options: z.strictObject({}),
    handlers: (handler) => [
      handler('echo', { payload: text, result: text, run: ({ payload }) => payload }),
      handler('hold', {
        payload: text,
        result: text,
        run: ({ signal }) =>
          new Promise((_resolve, reject) => {
            signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true })
            started.dispatchEvent(new Event('started'))
          }),
      }),
    ],
  })()
}

let directory = ''
let stops: (() => Promise<unknown>)[] = []

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'mcp-worker-backup-'))
  stops = []
})

afterEach(async () => {
  for (const stop of stops) await stop()
  rmSync(directory, { recursive: true, force: true })
})

const at = (name: string) => join(directory, name)

async function startWorker(path: string) {
  const started = new EventTarget()
  const worker = createWorker({
    plugins: [plugin(started)],
    queue: sqliteQueue({ path }),
    dataDir: directory,
    logger: pino({ level: 'silent' }),
  })
  await worker.start()
  stops.push(() => worker.stop({ timeoutMs: 100 }))
  return { worker, started }
}

/** A queue with three tasks that wait for an hour, as a worker that was stopped left it. */
async function makeQueue(path: string): Promise<void> {
  const { worker } = await startWorker(path)
  for (const id of ['a', 'b', 'c'])
    await worker.submit('echo', { text: id.repeat(3_000) }, { id, delay: '1h' })
  await worker.stop()
}

async function codeOf(work: () => unknown): Promise<unknown> {
  try {
    return await work()
  } catch (error) {
    if (!isWorkerError(error)) throw error
    return error.code
  }
}

const written = { kind: 'written', report: expect.anything() }

describe('backupQueue', () => {
  it('copies the queue while a worker takes and runs tasks, and what was accepted before is in it', async () => {
    const { worker } = await startWorker(at('queue.db'))
    const accepted: string[] = []
    const stopped = new AbortController()
    const load = (async () => {
      while (!stopped.signal.aborted) {
        const batch = Array.from({ length: 50 }, () => ({
          type: 'echo',
          payload: { text: 'x'.repeat(2_000) },
        }))
        for (const { id } of await worker.submitMany(batch)) accepted.push(id)
      }
    })()
    while (accepted.length < 500) await worker.submit('echo', { text: 'y' })
    let before: readonly string[] = []
    let outcome: BackupOutcome
    do {
      before = [...accepted]
      outcome = await backupQueue(at('queue.db'), at('backup.db'), { replace: true })
      // until one was taken while something was accepted
    } while (accepted.length === before.length)
    stopped.abort()
    await load
    expect(outcome).toMatchObject({ kind: 'written', report: { damaged: 0, schemaVersion: 1 } })

    expect(restoreQueue(at('backup.db'), at('empty/queue.db'))).toMatchObject({
      kind: 'restored',
      setAside: null,
    })
    const restored = await startWorker(at('empty/queue.db'))
    for (const id of before) {
      const task = await restored.worker.wait(id, { timeoutMs: 10_000 })
      expect(task?.status, id).toBe('succeeded')
    }
  })

  it('makes one file that only its owner may read, and leaves nothing else', async () => {
    await makeQueue(at('queue.db'))
    const before = readdirSync(directory).toSorted()
    expect(await backupQueue(at('queue.db'), at('backup.db'))).toEqual(written)
    expect(statSync(at('backup.db')).mode & 0o777).toBe(0o600)
    expect(readdirSync(directory).toSorted()).toEqual(['backup.db', ...before])
  })

  it('replaces a file only where it is asked to', async () => {
    await makeQueue(at('queue.db'))
    writeFileSync(at('backup.db'), 'precious')
    expect(await backupQueue(at('queue.db'), at('backup.db'))).toEqual({ kind: 'exists' })
    expect(readFileSync(at('backup.db'), 'utf8')).toBe('precious')
    expect(await backupQueue(at('queue.db'), at('backup.db'), { replace: true })).toEqual(written)
    expect(checkQueueFile(at('backup.db'))).toMatchObject({ tasks: 3 })
  })

  it('never takes the place of the queue itself or of its log, under whatever name', async () => {
    await makeQueue(at('queue.db'))
    symlinkSync(at('queue.db'), at('link.db'))
    const before = readFileSync(at('queue.db'))
    for (const name of ['queue.db', 'queue.db-wal', 'link.db']) {
      expect(await backupQueue(at('queue.db'), at(name), { replace: true }), name).toEqual({
        kind: 'is_queue',
      })
    }
    expect(readFileSync(at('queue.db')).equals(before)).toBe(true)
  })

  it('throws store_failed where there is no queue or a damaged one, and leaves no file', async () => {
    expect(await codeOf(() => backupQueue(at('queue.db'), at('backup.db')))).toBe('store_failed')
    await makeQueue(at('queue.db'))
    truncateSync(at('queue.db'), statSync(at('queue.db')).size - 4_096)
    expect(await codeOf(() => backupQueue(at('queue.db'), at('backup.db')))).toBe('store_failed')
    expect(readdirSync(directory).filter((name) => name.startsWith('backup'))).toEqual([])
  })

  it('copies a queue with a damaged task, and says which', async () => {
    await makeQueue(at('queue.db'))
    damage(at('queue.db'), 'b')
    expect(await backupQueue(at('queue.db'), at('backup.db'))).toMatchObject({
      kind: 'written',
      report: { tasks: 3, damaged: 1, damagedIds: ['b'] },
    })
  })
})

/** What a flipped bit does that SQLite does not notice. */
function damage(path: string, id: string): void {
  const db = new DatabaseSync(path)
  db.prepare(
    `UPDATE bodies SET payload = '{"text":"?"}' WHERE seq = (SELECT seq FROM tasks WHERE id = ?)`,
  ).run(id)
  db.close()
}

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
    const second = createWorker({
      plugins: [plugin(next)],
      queue: sqliteQueue({ path: at('other/queue.db') }),
      dataDir: directory,
      logger: pino({ level: 'silent' }),
    })
    await second.start()
    stops.push(() => second.stop({ timeoutMs: 100 }))
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
