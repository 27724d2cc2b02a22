import { describeFaults, KEEP_INPUT } from '@mcp-worker/runtime'
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

/** As the worker says it. */
function said(schema: z.ZodType, value: unknown): readonly string[] {
  const { error } = schema.safeParse(value, KEEP_INPUT)
  return error === undefined ? [] : describeFaults(error).map(({ path, message }) => `${path}: ${message}`)
}

test.for([
  [
    { operation: 'Upsert' },
    'operation: expected one of "upsert", "update", "delete", "sync", "reindex", "optimize", "verify", "drop"',
  ],
  [
    { operation: null, documents: ['a'] },
    'operation: expected one of "upsert", "update", "delete", "sync", "reindex", "optimize", "verify", "drop"',
  ],
  [{}, ': expected exactly one of documents, documents_ref, got none'],
  [
    { documents: ['a'], documents_ref: 'b' },
    ': expected exactly one of documents, documents_ref, got documents and documents_ref',
  ],
  [
    { operation: 'delete', ids: ['a'], all: true },
    ': expected exactly one of ids, source_ids, filter, all, got ids and all',
  ],
  [{ operation: 'drop' }, "confirm: expected the collection's name, since all of it is deleted"],
  [
    { operation: 'drop', confirm: 'x' },
    "confirm: expected the collection's name, since all of it is deleted",
  ],
  ['a text', ': expected object, got string'],
] as const)('%j is refused with what was expected and what came', ([payload, message]) => {
  expect(said(payloadSchema, payload)).toEqual([message])
})

test('all that is wrong with a payload is said at once', () => {
  const payload = {
    collection: 'X',
    batch_size: 0,
    dry_run: 1,
    on_error: 'x',
    nope: 1,
    documents: [{ id: '', text: 5 }],
    mode: 'z',
  }
  const places = said(payloadSchema, payload).map((line) => line.split(':')[0])
  const fields = 'collection batch_size dry_run on_error nope mode documents[0].id documents[0].text'
  expect(new Set(places)).toEqual(new Set(fields.split(' ')))
  expect(said(searchInputSchema, { k: 0, filter: 5 })).toHaveLength(2)
  expect(said(searchInputSchema, { text: 'a', vector: [1] })).toEqual([
    ': expected exactly one of text, vector, got text and vector',
  ])
})
