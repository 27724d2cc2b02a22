import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setImmediate } from 'node:timers/promises'
import { openSqliteStore } from '@mcp-worker/handler-vector-index'
import { expect, onTestFinished, test } from 'vitest'
import { COUNT_BY_DOCUMENT, type Indexer, openForReading, startIndexer } from './indexer-process.js'
import { tempFolder } from './temp-folder.js'

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

function isRunning({ child: { exitCode, signalCode } }: Indexer): boolean {
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
