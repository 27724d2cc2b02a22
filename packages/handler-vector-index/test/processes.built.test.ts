import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { DatabaseSync } from 'node:sqlite'
import { setImmediate } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { openSqliteStore } from '@mcp-worker/handler-vector-index'
import { expect, onTestFinished, test } from 'vitest'
import { tempFolder } from './temp-folder.js'

interface Saved {
  readonly next: number
}
interface Line {
  readonly progress?: number
  readonly checkpoint?: Saved
  readonly result?: Readonly<Record<string, unknown>>
  readonly maxRssBytes?: number
}

interface Indexer {
  readonly process: ChildProcess
  /** All that it said. Resolves when it is gone. */
  readonly lines: Promise<readonly Line[]>
  readonly exit: Promise<{ readonly code: number | null; readonly errors: string }>
}

const FIXTURE = fileURLToPath(new URL('./indexer.fixture.ts', import.meta.url))

function startIndexer(
  work: {
    folder: string
    payload: unknown
    task?: string
    checkpoint?: Saved | null
    flags?: readonly string[]
  },
  onLine: (line: Line, child: ChildProcess) => void = () => {},
): Indexer {
  const path = join(work.folder, 'vectors.db')
  const input = JSON.stringify({
    path,
    root: work.folder,
    payload: work.payload,
    task: work.task,
    checkpoint: work.checkpoint ?? null,
  })
  const child = spawn(process.execPath, [...(work.flags ?? []), FIXTURE, input], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  let errors = ''
  child.stderr.on('data', (data) => (errors += String(data)))
  const lines: Line[] = []
  createInterface({ input: child.stdout }).on('line', (text) => {
    const line = JSON.parse(text) as Line
    lines.push(line)
    onLine(line, child)
  })
  const closed = once(child, 'close')
  return {
    process: child,
    lines: closed.then(() => lines),
    exit: closed.then(() => ({ code: child.exitCode, errors })),
  }
}

function openForReading(folder: string): DatabaseSync {
  const db = new DatabaseSync(join(folder, 'vectors.db'), { readOnly: true, timeout: 10_000 })
  onTestFinished(() => db.close())
  return db
}

const COUNT_BY_DOCUMENT = `SELECT d.id AS id, count(c.key) AS chunks FROM documents d LEFT JOIN chunks c ON c.document = d.key GROUP BY d.key`
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
      expect(killed.process.signalCode).toBe('SIGKILL')
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
      expect(killed.process.signalCode).toBe('SIGKILL')
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

/** 600 documents of which 300 have the ids of the next writer's, with other texts. */
function overlappingDocuments(writer: number): unknown[] {
  return Array.from({ length: 600 }, (_, i) => ({
    id: `d${writer * 300 + i}`,
    text: `words of ${writer} about ${i}`,
  }))
}

test('three processes upsert overlapping ids: each id once, whole, and nobody sees a lock error', async () => {
  const folder = await tempFolder()
  const writers = [0, 1, 2].map((writer) =>
    startIndexer({
      folder,
      task: `writer ${writer}`,
      payload: { documents: overlappingDocuments(writer), batch_size: 10 },
    }),
  )
  let written = 0
  for (const writer of writers) {
    expect(await writer.exit).toEqual({ code: 0, errors: '' })
    const result = (await writer.lines).at(-1)?.result
    expect(result).toMatchObject({ failed_count: 0 })
    written += Number(result?.['inserted'])
  }
  const rows = openForReading(folder).prepare(COUNT_BY_DOCUMENT).all()
  expect(new Set(rows.map((row) => row['id'])).size).toBe(1200)
  expect(rows).toHaveLength(1200)
  expect(written).toBe(1200)
  expect(rows.every((row) => row['chunks'] === 1)).toBe(true)
  const store = await openSqliteStore({ path: join(folder, 'vectors.db') })
  onTestFinished(() => store.close())
  expect(await store.describe('documents')).toMatchObject({ count: 1200, chunks: 1200 })
})

test(
  'two processes upsert and delete while a third reindexes: the new generation has exactly what is left',
  { timeout: 60_000 },
  async () => {
    const folder = await tempFolder()
    const first = startIndexer({ folder, payload: { documents: overlappingDocuments(0), batch_size: 100 } })
    expect(await first.exit).toEqual({ code: 0, errors: '' })
    const gone = Array.from({ length: 150 }, (_, i) => `d${i}`)
    const payloads = [
      { operation: 'reindex', chunk: { size: 300, overlap: 0 }, batch_size: 20 },
      { documents: overlappingDocuments(1), batch_size: 10 },
      { operation: 'delete', ids: gone, batch_size: 10 },
    ]
    const workers = payloads.map((payload, i) => startIndexer({ folder, payload, task: `task ${i}` }))
    for (const worker of workers) expect(await worker.exit).toEqual({ code: 0, errors: '' })
    const store = await openSqliteStore({ path: join(folder, 'vectors.db') })
    onTestFinished(() => store.close())
    const expected = { generation: 2, chunk: { size: 300, overlap: 0 }, count: 750, chunks: 750 }
    expect(await store.describe('documents')).toMatchObject(expected)
    expect(await store.inspect('documents', { signal: new AbortController().signal })).toEqual([])
    const verify = startIndexer({ folder, payload: { operation: 'verify' } })
    expect(await verify.exit).toEqual({ code: 0, errors: '' })
    expect((await verify.lines).at(-1)?.result).toMatchObject({
      verified: { checked: 750, problem_count: 0 },
    })
  },
)

/** Paragraphs that make a chunk each. */
function version(name: string, chunks: number): string[] {
  return Array.from({ length: chunks }, (_, i) => `${name} chunk ${i} `.repeat(10).slice(0, 90).trim())
}

test('while a document goes from 5 chunks to 2 and back, no reader sees both versions or neither', async () => {
  const folder = await tempFolder()
  const long = version('long', 5)
  const short = version('short', 2)
  const documents = Array.from({ length: 600 }, (_, i) => ({
    id: 'a',
    text: (i % 2 === 0 ? long : short).join('\n\n'),
  }))
  await writeFile(join(folder, 'docs.json'), JSON.stringify(documents))
  const writer = startIndexer({
    folder,
    payload: { documents_ref: 'docs.json', chunk: { size: 100, overlap: 0 } },
  })
  while (isRunning(writer) && !hasDocument(folder)) await setImmediate()
  const read = openForReading(folder).prepare('SELECT text FROM chunks ORDER BY ordinal')
  const seen = new Map<string, number>()
  while (isRunning(writer)) {
    const state = JSON.stringify(read.all().map((row) => row['text']))
    seen.set(state, (seen.get(state) ?? 0) + 1)
    await setImmediate()
  }
  expect(await writer.exit).toEqual({ code: 0, errors: '' })
  expect([...seen.keys()].toSorted()).toEqual([JSON.stringify(long), JSON.stringify(short)].toSorted())
})

/** Indexes `count` documents of 4 KB from a file, and answers the most memory that the process held, in bytes. */
async function memoryToIndex(operation: 'upsert' | 'sync', count: number): Promise<number> {
  const folder = await tempFolder()
  const lines = Array.from({ length: count }, (_, i) =>
    JSON.stringify({ id: `d${i}`, vector: [1, 2, i], text: 'x'.repeat(4000) }),
  )
  await writeFile(join(folder, 'docs.jsonl'), lines.join('\n'))
  // a heap that does not hold the documents, and that does not grow for want of a reason to collect
  const flags = ['--max-old-space-size=48', '--max-semi-space-size=4']
  const indexer = startIndexer({ folder, payload: { operation, documents_ref: 'docs.jsonl' }, flags })
  expect(await indexer.exit).toEqual({ code: 0, errors: '' })
  const last = (await indexer.lines).at(-1)
  expect(last?.result).toMatchObject({ inserted: count })
  return last?.maxRssBytes ?? Number.POSITIVE_INFINITY
}

test.for(['upsert', 'sync'] as const)(
  'the memory of %s does not depend on the size of documents_ref',
  { timeout: 60_000 },
  async (operation) => {
    const small = await memoryToIndex(operation, 2_000)
    const large = await memoryToIndex(operation, 22_000)
    // 80 MB more of documents
    expect(large - small).toBeLessThan(40 * 1024 * 1024)
  },
)

function isRunning({ process: { exitCode, signalCode } }: Indexer): boolean {
  return exitCode === null && signalCode === null
}

function hasDocument(folder: string): boolean {
  try {
    const db = new DatabaseSync(join(folder, 'vectors.db'), { readOnly: true })
    try {
      return db.prepare('SELECT 1 FROM documents').get() !== undefined
    } finally {
      db.close()
    }
  } catch {
    return false
  }
}
