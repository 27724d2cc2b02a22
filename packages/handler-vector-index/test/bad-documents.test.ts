import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openIndex } from './index-harness.js'

test('with on_error continue each bad document fails alone, the first of a new collection too', async () => {
  const index = await openIndex()
  const good = Array.from({ length: 250 }, (_, i) => JSON.stringify({ id: `v${i}`, vector: [i + 1, 1, 0] }))
  const bad = [
    '{"id":"short","vector":[1,2]}',
    '{"id":"zero","vector":[0,0,0]}',
    '{"id":"huge","vector":[1e999,0,0]}',
    '{"id":"nan","vector":[NaN,0,0]}',
    '{"id":"null","vector":[null,0,0]}',
    '{"id":"extra","vector":[1,0,0],"colour":"red"}',
    `{"id":"big","text":"${'x'.repeat(10 * 1024 * 1024)}"}`,
    `{"id":"long","text":"${'x'.repeat(20_000)}"}`,
    '{"id":"empty","text":" "}',
    '{"id":"deep","vector":[1,0,0],"metadata":{"a":' + '['.repeat(100) + ']'.repeat(100) + '}}',
    '["an array"]',
  ]
  // the short vector comes first: the majority says how long vectors are
  const lines = [bad[0] ?? '', ...good.slice(0, 120), ...bad.slice(1), ...good.slice(120)]
  await writeFile(join(index.folder, 'mixed.jsonl'), lines.join('\n'))
  const result = await index.run({ documents_ref: 'mixed.jsonl', on_error: 'continue' })
  expect(result).toMatchObject({
    inserted: 250,
    failed_count: bad.length,
    collection: { count: 250, dim: 3 },
  })
  const codes = Object.fromEntries(result.failed.map(({ id, code }) => [id, code]))
  expect(codes).toEqual({
    short: 'DIM_MISMATCH',
    zero: 'ZERO_VECTOR',
    '#122': 'NON_FINITE_VECTOR',
    '#123': 'INVALID_JSON',
    '#124': 'INVALID_DOCUMENT',
    '#125': 'INVALID_DOCUMENT',
    '#126': 'DOCUMENT_TOO_LARGE',
    long: 'DOCUMENT_TOO_LARGE',
    [result.failed[8]?.id ?? '']: 'EMPTY_TEXT',
    '#129': 'INVALID_DOCUMENT',
    '#130': 'INVALID_DOCUMENT',
  })
})

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

test('the first 100 failures are listed and all are counted', async () => {
  const index = await openIndex()
  const documents = Array.from({ length: 150 }, (_, i) => ({ id: `bad-${i}`, text: ' ' }))
  const result = await index.run({ documents, on_error: 'continue' })
  expect(result.failed).toHaveLength(100)
  expect(result.failed_count).toBe(150)
})
