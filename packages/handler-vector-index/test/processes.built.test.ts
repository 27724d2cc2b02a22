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
}

interface Indexer {
  readonly process: ChildProcess
  /** All that it said. Resolves when it is gone. */
  readonly lines: Promise<readonly Line[]>
  readonly exit: Promise<{ readonly code: number | null; readonly errors: string }>
}

const FIXTURE = fileURLToPath(new URL('./indexer.fixture.ts', import.meta.url))

function startIndexer(
  work: { folder: string; payload: unknown; checkpoint?: Saved | null },
  onLine: (line: Line, child: ChildProcess) => void = () => {},
): Indexer {
  const path = join(work.folder, 'vectors.db')
  const input = JSON.stringify({
    path,
    root: work.folder,
    payload: work.payload,
    checkpoint: work.checkpoint ?? null,
  })
  const child = spawn(process.execPath, [FIXTURE, input], { stdio: ['ignore', 'pipe', 'pipe'] })
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

/** `count` documents of three chunks each. */
function threeChunkDocuments(count: number): unknown[] {
  return Array.from({ length: count }, (_, i) => ({
    id: `d${i}`,
    text: ['first', 'second', 'third']
      .map((part) => `${part} part of ${i} `.repeat(6).slice(0, 90))
      .join('\n\n'),
  }))
}

const CHUNK = { size: 100, overlap: 0 }
const COUNT_BY_DOCUMENT = `SELECT d.id AS id, count(c.key) AS chunks FROM documents d LEFT JOIN chunks c ON c.document = d.key GROUP BY d.key`

test('kill -9 in the middle: acknowledged batches are whole, none is torn, and the retry resumes at its checkpoint', async () => {
  const folder = await tempFolder()
  await writeFile(
    join(folder, 'docs.jsonl'),
    threeChunkDocuments(2000)
      .map((document) => JSON.stringify(document))
      .join('\n'),
  )
  const payload = { documents_ref: 'docs.jsonl', batch_size: 20, chunk: CHUNK }
  let checkpoint: Saved | null = null
  for (const batches of [1, 4, 9, 2, 13]) {
    const from: number = checkpoint?.next ?? 0
    const killed = startIndexer({ folder, payload, checkpoint }, ({ checkpoint: saved }, child) => {
      // somewhere in the batches after this one: the process goes on until the signal arrives
      if (saved !== undefined && saved.next === from + batches * 20) child.kill('SIGKILL')
    })
    const lines: readonly Line[] = await killed.lines
    expect(killed.process.signalCode).toBe('SIGKILL')
    expect(lines[0]).toEqual({ progress: from })
    checkpoint = lines.findLast((line) => line.checkpoint !== undefined)?.checkpoint ?? checkpoint
    const rows = openForReading(folder).prepare(COUNT_BY_DOCUMENT).all()
    const ids = new Set(rows.map((row) => row['id']))
    for (let i = 0; i < (checkpoint?.next ?? 0); i++) expect(ids).toContain(`d${i}`)
    expect(rows.length % 20).toBe(0)
    expect(rows.filter((row) => row['chunks'] !== 3)).toEqual([])
  }
  const last = startIndexer({ folder, payload, checkpoint })
  expect(await last.exit).toEqual({ code: 0, errors: '' })
  const lines = await last.lines
  expect(lines[0]).toEqual({ progress: checkpoint?.next })
  expect(lines.at(-1)?.result).toMatchObject({ failed_count: 0, updated: 0, collection: { count: 2000 } })
  expect(openForReading(folder).prepare(COUNT_BY_DOCUMENT).all()).toHaveLength(2000)
  expect(openForReading(folder).prepare('PRAGMA integrity_check').get()).toEqual({ integrity_check: 'ok' })
})

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
    startIndexer({ folder, payload: { documents: overlappingDocuments(writer), batch_size: 10 } }),
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
  const writer = startIndexer({ folder, payload: { documents_ref: 'docs.json', chunk: CHUNK } })
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
