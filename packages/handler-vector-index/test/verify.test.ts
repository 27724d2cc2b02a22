import { open } from 'node:fs/promises'
import { DatabaseSync } from 'node:sqlite'
import { expect, onTestFinished, test } from 'vitest'
import type { Checkpoint } from '../src/journal.js'
import { openSqliteStore } from '../src/sqlite/store.js'
import { findProblems, PROBLEMS } from '../src/verify.js'
import { type IndexHarness, openIndex, words } from './index-harness.js'

const documents = [
  ...Array.from({ length: 20 }, (_, i) => ({ id: `d${i}`, text: `text number ${i}`, metadata: { n: i } })),
  { id: 'long', text: words('w', 60) },
]
const verify = { operation: 'verify' as const }

async function openFilled(): Promise<IndexHarness> {
  const index = await openIndex()
  await index.run({ documents })
  const vector = Array.from({ length: 16 }, (_, i) => i + 1)
  await index.run({
    documents: [{ id: 'ready', vector, text: 'kept' }],
    embedder: index.embedder.fingerprint,
  })
  return index
}

/** Spoils the file behind the worker's back. */
function spoil({ path }: IndexHarness, sql: string, ...values: (string | Uint8Array)[]): void {
  const db = new DatabaseSync(path, { enableForeignKeyConstraints: false })
  db.prepare(sql).run(...values)
  db.close()
}

async function problemsOf(index: IndexHarness): Promise<readonly (readonly [string | null, string])[]> {
  const { verified } = await index.run(verify)
  expect(verified?.problem_count).toBe(verified?.problems.length)
  return verified?.problems.map(({ id, code }) => [id, code] as const) ?? []
}

const CHUNK_OF = `document = (SELECT key FROM documents WHERE id = ?)`
const floats = (...values: number[]) => new Uint8Array(Float32Array.from(values).buffer)

test('a sound collection has no problem, and each document was looked at', async () => {
  const index = await openFilled()
  const result = await index.run({ ...verify, batch_size: 5 })
  expect(result).toMatchObject({
    verified: { checked: 22, problems: [], problem_count: 0, recall: null },
    collection: { count: 22 },
  })
})

test.for([
  [
    'a flipped bit of a vector',
    `UPDATE chunks SET vector = cast(x'01' || substr(vector, 2) AS BLOB) WHERE ${CHUNK_OF}`,
    'd3',
    'HASH_MISMATCH',
  ],
  [
    'a flipped bit of a ready vector',
    `UPDATE chunks SET vector = cast(x'01' || substr(vector, 2) AS BLOB) WHERE ${CHUNK_OF}`,
    'ready',
    'HASH_MISMATCH',
  ],
  ['another text', `UPDATE chunks SET text = 'text number 4.' WHERE ${CHUNK_OF}`, 'd4', 'HASH_MISMATCH'],
  ['a lost chunk', `DELETE FROM chunks WHERE ordinal = 2 AND ${CHUNK_OF}`, 'long', 'HASH_MISMATCH'],
  ['all chunks lost', `DELETE FROM chunks WHERE ${CHUNK_OF}`, 'd5', 'HASH_MISMATCH'],
  ['broken metadata', `UPDATE documents SET metadata = '{"n":' WHERE id = ?`, 'd6', 'METADATA_INVALID'],
  [
    'metadata that are no object',
    `UPDATE documents SET metadata = '[]' WHERE id = ?`,
    'd6',
    'METADATA_INVALID',
  ],
] as const)('%s is found and named', async ([, sql, id, code]) => {
  const index = await openFilled()
  spoil(index, sql, id)
  expect(await problemsOf(index)).toContainEqual([id, code])
})

test('a vector of another dimension, not finite or not of length 1 is found and named', async () => {
  const index = await openFilled()
  const set = `UPDATE chunks SET vector = ? WHERE ${CHUNK_OF}`
  const tail = Array.from({ length: 15 }, () => 0)
  spoil(index, set, floats(1, 0), 'd0')
  spoil(index, set, Uint8Array.of(1, 2, 3), 'd1')
  spoil(index, set, floats(Number.NaN, ...tail), 'd2')
  spoil(index, set, floats(1.5, ...tail), 'd3')
  const found = new Set((await problemsOf(index)).map((problem) => problem.join(' ')))
  expect([...found].filter((text) => !text.includes('HASH')).toSorted()).toEqual([
    'd0 VECTOR_DIM',
    'd1 VECTOR_DIM',
    'd2 VECTOR_NOT_FINITE',
    'd3 VECTOR_NOT_UNIT',
  ])
})

test('counts that do not add up and chunks that belong to nothing are found', async () => {
  const index = await openFilled()
  spoil(index, 'DELETE FROM documents WHERE id = ?', 'long')
  const problems = await problemsOf(index)
  expect(problems).toEqual([
    [null, 'COUNT_MISMATCH'],
    [null, 'ORPHAN_CHUNKS'],
  ])
})

test('a damaged page is found by the check of the file, and the documents on it are named', async () => {
  const index = await openFilled()
  const db = new DatabaseSync(index.path)
  db.exec('PRAGMA wal_checkpoint(TRUNCATE)')
  const leaf = db.prepare(
    `SELECT pageno, pgsize FROM dbstat WHERE name = 'chunks' AND pagetype = 'leaf' LIMIT 1`,
  )
  const { pageno, pgsize } = leaf.get() ?? {}
  db.close()
  const file = await open(index.path, 'r+')
  // the page's header, where its kind and its number of cells are
  await file.write(Buffer.alloc(8, 0xff), 0, 8, (Number(pageno) - 1) * Number(pgsize))
  await file.close()
  const store = await openSqliteStore({ path: index.path })
  onTestFinished(() => store.close())
  const { verified } = await index.run(verify, { store })
  const codes = new Set(verified?.problems.map(({ code }) => code))
  expect([...codes].toSorted()).toEqual(['FILE_DAMAGED', 'UNREADABLE'])
  expect(verified?.problems.filter(({ id }) => id !== null).length).toBeGreaterThan(0)
})

test('a retried verify goes on from its checkpoint with what it found', async () => {
  const index = await openFilled()
  spoil(index, `UPDATE chunks SET text = 'x' WHERE ${CHUNK_OF}`, 'd0')
  const stop = new AbortController()
  let checkpoint: Checkpoint | undefined
  const first = index.run(
    { ...verify, batch_size: 5 },
    {
      signal: stop.signal,
      onCheckpoint: (saved) => {
        checkpoint = saved
        if (saved.next === 10) stop.abort(new Error('stopped'))
      },
    },
  )
  await expect(first).rejects.toThrow('stopped')
  const seen: number[] = []
  const result = await index.run(
    { ...verify, batch_size: 5 },
    { ...(checkpoint && { checkpoint }), onProgress: (done) => seen.push(done) },
  )
  expect(seen).toEqual([15, 20, 22])
  expect(result.verified).toMatchObject({ checked: 22, problem_count: 1, problems: [{ id: 'd0' }] })
})

test('only the first 100 problems are listed, all are counted', async () => {
  const index = await openIndex()
  await index.run({ documents: Array.from({ length: 150 }, (_, i) => ({ id: `d${i}`, vector: [1, i] })) })
  spoil(index, `UPDATE documents SET metadata = 'x'`)
  const { verified } = await index.run(verify)
  expect(verified?.problems).toHaveLength(100)
  expect(verified?.problem_count).toBe(150)
})

test('there is nothing to verify in a collection that is not there', async () => {
  const index = await openIndex()
  await expect(index.run(verify)).rejects.toMatchObject({ code: 'COLLECTION_NOT_FOUND' })
})

test('where vectors do not come back bit by bit, the hash of a ready one is not compared', () => {
  const chunk = { text: null, vector: Float32Array.of(1, 0) }
  const document = {
    revision: 1,
    sourceId: null,
    version: null,
    contentHash: 'other',
    metadata: '{}',
    joints: null,
    intact: true,
    chunks: [chunk],
  }
  expect(findProblems(document, { dim: 2 }, false)).toEqual([])
  expect(findProblems(document, { dim: 2 }, true)).toEqual(['HASH_MISMATCH'])
  expect(Object.keys(PROBLEMS)).toContain('HASH_MISMATCH')
})
