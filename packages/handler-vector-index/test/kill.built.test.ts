import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { openSqliteStore } from '@mcp-worker/handler-vector-index'
import { expect, onTestFinished, test } from 'vitest'
import { COUNT_BY_DOCUMENT, type Line, openForReading, type Saved, startIndexer } from './indexer-process.js'
import { tempFolder } from './temp-folder.js'

const BATCH = 1000
/** More than the killed runs can get done before their signal. */
const LINES = 40 * BATCH

test(
  'kill -9 in the middle: acknowledged batches are whole, none is torn, and the retry resumes at its checkpoint',
  { timeout: 120_000 },
  async () => {
    const folder = await tempFolder()
    // ready vectors: nearly all of the time is spent in transactions, so that is where the kills fall
    const lines = Array.from({ length: LINES }, (_, i) => JSON.stringify({ id: `d${i}`, vector: [1, 2, i] }))
    await writeFile(join(folder, 'docs.jsonl'), lines.join('\n'))
    const payload = { documents_ref: 'docs.jsonl', batch_size: BATCH }
    let checkpoint: Saved | null = null
    // what a killed run committed and could not say is in the store's mark
    let committed = 0
    for (const delayMs of [0, 5, 12, 20, 35]) {
      const from: number = committed
      const killed = startIndexer({ folder, payload, checkpoint }, ({ checkpoint: saved }, child) => {
        if (saved?.next === from + BATCH) setTimeout(() => child.kill('SIGKILL'), delayMs)
      })
      const said: readonly Line[] = await killed.lines
      expect(killed.child.signalCode).toBe('SIGKILL')
      expect(said[0]).toEqual({ progress: from })
      checkpoint = said.findLast((line) => line.checkpoint !== undefined)?.checkpoint ?? checkpoint
      const rows = openForReading(folder).prepare(COUNT_BY_DOCUMENT).all()
      committed = rows.length
      expect(committed).toBeGreaterThanOrEqual(checkpoint?.next ?? 0)
      expect(new Set(rows.map((row) => row['id']))).toEqual(
        new Set(Array.from({ length: committed }, (_, i) => `d${i}`)),
      )
      expect(committed % BATCH).toBe(0)
      expect(rows.filter((row) => row['chunks'] !== 1)).toEqual([])
    }
    const last = startIndexer({ folder, payload, checkpoint })
    expect(await last.exit).toEqual({ code: 0, errors: '' })
    const said = await last.lines
    expect(said[0]).toEqual({ progress: committed })
    expect(said.at(-1)?.result).toMatchObject({
      failed_count: 0,
      inserted: LINES,
      unchanged: 0,
      collection: { count: LINES },
    })
    expect(openForReading(folder).prepare(COUNT_BY_DOCUMENT).all()).toHaveLength(LINES)
    expect(openForReading(folder).prepare('PRAGMA integrity_check').get()).toEqual({ integrity_check: 'ok' })
  },
)

test(
  'kill -9 during a reindex: the old generation stays whole until the new one is, and what was copied stays copied',
  { timeout: 120_000 },
  async () => {
    const folder = await tempFolder()
    const documents = Array.from({ length: 2000 }, (_, i) => ({
      id: `d${i}`,
      text: `the text of number ${i}`,
    }))
    const filled = startIndexer({ folder, payload: { documents, batch_size: 1000 } })
    expect(await filled.exit).toEqual({ code: 0, errors: '' })
    const payload = { operation: 'reindex', chunk: { size: 500, overlap: 0 }, batch_size: 50 }
    const store = await openSqliteStore({ path: join(folder, 'vectors.db') })
    onTestFinished(() => store.close())
    let checkpoint: Saved | null = null
    for (const delayMs of [0, 3, 9, 20]) {
      const from: number = checkpoint?.next ?? 0
      const killed = startIndexer({ folder, payload, checkpoint }, ({ checkpoint: saved }, child) => {
        if ((saved?.next ?? 0) >= from + 200) setTimeout(() => child.kill('SIGKILL'), delayMs)
      })
      const said: readonly Line[] = await killed.lines
      expect(killed.child.signalCode).toBe('SIGKILL')
      checkpoint = said.findLast((line) => line.checkpoint !== undefined)?.checkpoint ?? checkpoint
      expect(await store.describe('documents')).toMatchObject({ generation: 1, count: 2000, chunks: 2000 })
      const copies = openForReading(folder)
        .prepare(
          `SELECT g.documents AS kept, count(d.key) AS counted FROM generations g JOIN documents d ON d.generation = g.key WHERE state = 'building'`,
        )
        .get()
      expect(copies?.['kept']).toBe(copies?.['counted'])
      expect(copies?.['counted']).toBeGreaterThanOrEqual(checkpoint?.next ?? 0)
    }
    const last = startIndexer({ folder, payload, checkpoint })
    expect(await last.exit).toEqual({ code: 0, errors: '' })
    expect((await last.lines).at(-1)?.result).toMatchObject({
      updated: 2000,
      collection: { generation: 2, count: 2000 },
    })
    expect(openForReading(folder).prepare('SELECT count(*) AS n FROM chunks').get()).toEqual({ n: 2000 })
    expect(await store.inspect('documents', { signal: new AbortController().signal })).toEqual([])
  },
)
