import { expect, test } from 'vitest'
import { z } from 'zod'
import { optionsSchema } from '../src/options.js'
import { payloadSchema, searchInputSchema } from '../src/payload.js'

const accepts = (payload: unknown) => payloadSchema.safeParse(payload).success
const paths = (payload: unknown) =>
  payloadSchema.safeParse(payload).error?.issues.map((issue) => issue.path.join('.'))

test('the smallest payload is a list of texts, with every default', () => {
  expect(payloadSchema.parse({ documents: ['a text'] })).toEqual({
    operation: 'upsert',
    collection: 'documents',
    documents: ['a text'],
    batch_size: 100,
    on_error: 'fail',
    mode: 'upsert',
    dry_run: false,
  })
})

test('unknown keys are refused, at the top, in a document and in chunk', () => {
  expect(accepts({ documents: [], colection: 'x' })).toBe(false)
  expect(accepts({ documents: [{ text: 'a', sourceId: 'b' }] })).toBe(false)
  expect(accepts({ documents: ['a'], chunk: { length: 300 } })).toBe(false)
  expect(accepts({ operation: 'delete', ids: ['a'], mode: 'upsert' })).toBe(false)
  expect(accepts({ operation: 'delete', all: true, documents: ['a'] })).toBe(false)
})

test('a document needs a text or a vector, an update an id or a source_id', () => {
  expect(accepts({ documents: [{ id: 'a' }] })).toBe(false)
  expect(accepts({ documents: [{ vector: [1, 2] }] })).toBe(true)
  expect(accepts({ operation: 'update', documents: [{ id: 'a', metadata: {} }] })).toBe(true)
  expect(accepts({ operation: 'update', documents: [{ text: 'a' }] })).toBe(false)
  expect(accepts({ operation: 'update', documents: ['a'] })).toBe(false)
})

test('exactly one source of documents and one target of a delete', () => {
  expect(accepts({})).toBe(false)
  expect(accepts({ documents: ['a'], documents_ref: 'x.jsonl' })).toBe(false)
  expect(accepts({ operation: 'delete' })).toBe(false)
  expect(accepts({ operation: 'delete', ids: ['a'], all: true })).toBe(false)
  expect(accepts({ operation: 'delete', all: false })).toBe(false)
  expect(accepts({ operation: 'delete', all: true })).toBe(true)
})

test('what can delete everything has to say so', () => {
  expect(paths({ operation: 'sync', documents: [] })).toEqual(['documents'])
  expect(accepts({ operation: 'sync', documents: [], allow_empty: true })).toBe(true)
  expect(accepts({ operation: 'sync', documents: ['a'], source_ids: [] })).toBe(false)
  expect(paths({ operation: 'drop', collection: 'a', confirm: 'b' })).toEqual(['confirm'])
  expect(accepts({ operation: 'drop', collection: 'a', confirm: 'a' })).toBe(true)
})

test('operations without documents take none', () => {
  for (const operation of ['reindex', 'optimize', 'verify']) {
    expect(accepts({ operation })).toBe(true)
    expect(accepts({ operation, documents: ['a'] })).toBe(false)
  }
})

test('an empty filter does not mean everything', () => {
  expect(paths({ operation: 'delete', filter: {} })).toContain('filter')
  expect(accepts({ operation: 'delete', filter: { lang: 'en' } })).toBe(true)
  expect(accepts({ operation: 'delete', filter: { lang: { in: ['en', 1, null] } } })).toBe(true)
  expect(accepts({ operation: 'delete', filter: { lang: { not: 'en' } } })).toBe(false)
})

test('a fault names the field', () => {
  expect(paths({ documents: ['a'], batch_size: 0 })).toEqual(['batch_size'])
  expect(paths({ documents: ['a'], collection: 'Docs' })).toEqual(['collection'])
  expect(paths({ documents: ['a'], chunk: { size: 200, overlap: 100 } })).toEqual(['chunk.overlap'])
  expect(paths({ operation: 'rebuild' })).toEqual(['operation'])
})

test('the schemas of payload and query can be written as JSON Schema', () => {
  expect(z.toJSONSchema(payloadSchema, { io: 'input' })).toHaveProperty('oneOf')
  expect(z.toJSONSchema(searchInputSchema, { io: 'input' })).toHaveProperty('properties.text')
})

test('no options at all are good options, and unknown ones are refused', () => {
  expect(optionsSchema.parse({})).toMatchObject({
    embedder: { engine: 'builtin' },
    chunk: { size: 1200, overlap: 150 },
  })
  expect(optionsSchema.safeParse({ pth: 'x' }).success).toBe(false)
})
