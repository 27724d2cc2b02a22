import { readdirSync, readFileSync, statSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { backupQueue, type BackupOutcome, checkQueueFile, restoreQueue } from '@mcp-worker/runtime/sqlite'
import { describe, expect, it } from 'vitest'
import { at, codeOf, makeQueue, startWorker } from './backup-worker.js'

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
    const before = readdirSync(at('')).toSorted()
    expect(await backupQueue(at('queue.db'), at('backup.db'))).toEqual(written)
    expect(statSync(at('backup.db')).mode & 0o777).toBe(0o600)
    expect(readdirSync(at('')).toSorted()).toEqual(['backup.db', ...before])
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
    expect(readdirSync(at('')).filter((name) => name.startsWith('backup'))).toEqual([])
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
