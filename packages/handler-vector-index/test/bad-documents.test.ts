import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openIndex } from './index-harness.js'

/** A line each, with the id that the result names it by (null: `#` and its position) and the code. */
const BAD = [
  ['short', 'DIM_MISMATCH', '{"id":"short","vector":[1,2]}'],
  ['zero', 'ZERO_VECTOR', '{"id":"zero","vector":[0,0,0]}'],
  [null, 'NON_FINITE_VECTOR', '{"id":"huge","vector":[1e999,0,0]}'],
  [null, 'INVALID_JSON', '{"id":"nan","vector":[NaN,0,0]}'],
  [null, 'INVALID_JSON', '{"id":"torn","vector":[1,0'],
  [null, 'INVALID_DOCUMENT', '{"id":"null","vector":[null,0,0]}'],
  [null, 'INVALID_DOCUMENT', '{"id":"none"}'],
  [null, 'INVALID_DOCUMENT', '{"id":"extra","vector":[1,0,0],"colour":"red"}'],
  [null, 'DOCUMENT_TOO_LARGE', `{"id":"big","text":"${'x'.repeat(10 * 1024 * 1024)}"}`],
  ['long', 'DOCUMENT_TOO_LARGE', `{"id":"long","text":"${'x'.repeat(20_000)}"}`],
  ['empty', 'EMPTY_TEXT', '{"id":"empty","text":" "}'],
  [
    null,
    'INVALID_DOCUMENT',
    `{"id":"deep","vector":[1,0,0],"metadata":{"a":${'['.repeat(100)}${']'.repeat(100)}}}`,
  ],
  [null, 'INVALID_DOCUMENT', '["an array"]'],
] as const

const GOOD = 9_999

const goodLines = () =>
  Array.from({ length: GOOD }, (_, i) => JSON.stringify({ id: `v${i}`, vector: [i + 1, 1, 0] }))

/** The good lines with the bad ones among them: the first in front of all, since the first batch makes the collection. */
function mixedLines(): { readonly lines: readonly string[]; readonly at: readonly number[] } {
  const lines = goodLines()
  const at = BAD.map((_, i) => i * 700)
  for (const [i, [, , line]] of BAD.entries()) lines.splice(at[i] ?? 0, 0, line)
  return { lines, at }
}

test('among 10,000 documents of a file exactly the bad ones fail, each with its code, and the other 9,999 land', async () => {
  const index = await openIndex()
  const { lines, at } = mixedLines()
  await writeFile(join(index.folder, 'mixed.jsonl'), lines.join('\n'))
  const result = await index.run({ documents_ref: 'mixed.jsonl', on_error: 'continue' })
  const failed = BAD.map(([id, code], i) => ({ id: id ?? `#${at[i]}`, code, line: (at[i] ?? 0) + 1 }))
  expect(result.failed.toSorted(byId)).toMatchObject(failed.toSorted(byId))
  expect(result).toMatchObject({
    inserted: GOOD,
    failed_count: BAD.length,
    collection: { count: GOOD, dim: 3 },
  })
  const { hits } = await index.search({ vector: [1, 1, 0], k: 1 })
  expect(hits[0]?.id).toBe('v0')
})

test.for(BAD)(
  'one bad document among 10,000 fails alone: %s, %s',
  { timeout: 60_000 },
  async ([id, code, line]) => {
    const index = await openIndex()
    const lines = goodLines().toSpliced(5_000, 0, line)
    await writeFile(join(index.folder, 'mixed.jsonl'), lines.join('\n'))
    const result = await index.run({ documents_ref: 'mixed.jsonl', on_error: 'continue' })
    expect(result).toMatchObject({
      inserted: GOOD,
      failed: [{ id: id ?? '#5000', code, line: 5001 }],
      failed_count: 1,
      collection: { count: GOOD },
    })
  },
)

function byId(a: { readonly id: string }, b: { readonly id: string }): number {
  return a.id < b.id ? -1 : 1
}

test('with on_error fail the first bad document ends the task, and earlier batches stay', async () => {
  const index = await openIndex()
  const documents = [
    ...Array.from({ length: 25 }, (_, i) => ({ id: `doc-${i}`, text: `text number ${i}` })),
    { id: 'zero', vector: [0, 0] },
  ]
  await expect(index.run({ documents, batch_size: 10 })).rejects.toMatchObject({
    name: 'NonRetryableError',
    code: 'ZERO_VECTOR',
  })
  expect((await index.store.describe('documents'))?.count).toBe(20)
})

test('a text that the embedder gives no direction fails alone', async () => {
  const index = await openIndex()
  const result = await index.run({ documents: [{ id: 'a', text: '???' }, 'words'], on_error: 'continue' })
  expect(result).toMatchObject({ inserted: 1, failed: [{ id: 'a', code: 'ZERO_VECTOR' }] })
})

test('a document of the payload that fails is named by its place, since the hash of its text says nobody anything', async () => {
  const index = await openIndex()
  const documents = ['words', '???', { text: ' ' }, { vector: [1, 2] }]
  const { failed } = await index.run({
    documents,
    on_error: 'continue',
    embedder: index.embedder.fingerprint,
  })
  expect(failed.toSorted((a, b) => (a.position ?? 0) - (b.position ?? 0))).toEqual([
    { id: expect.stringMatching(/^[\da-f]{32}$/), code: 'ZERO_VECTOR', position: 1 },
    { id: expect.stringMatching(/^[\da-f]{32}$/), code: 'EMPTY_TEXT', position: 2 },
    {
      id: expect.stringMatching(/^[\da-f]{32}$/),
      code: 'DIM_MISMATCH',
      position: 3,
      detail: 'expected 16 components, got 2',
    },
  ])
  await expect(index.run({ documents })).rejects.toThrow(/ \(documents\[\d\]\): /)
})

test('the first 100 failures are listed and all are counted', async () => {
  const index = await openIndex()
  const documents = Array.from({ length: 150 }, (_, i) => ({ id: `bad-${i}`, text: ' ' }))
  const result = await index.run({ documents, on_error: 'continue' })
  expect(result.failed).toHaveLength(100)
  expect(result.failed_count).toBe(150)
})
