import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { parseDocument as parseElement } from '../src/parse-document.js'
import { documentSchema, documentUpdateSchema, MAX_DIMENSION } from '../src/payload.js'

const parseDocument = (text: string, operation: 'upsert' | 'update') =>
  parseElement({ line: 1, text }, operation)

/** What the schema says of a text, without any shortcut. */
function judge(json: string, operation: 'upsert' | 'update'): unknown {
  const schema = operation === 'update' ? documentUpdateSchema : documentSchema
  const parsed = schema.safeParse(JSON.parse(json))
  if (!parsed.success) return 'fault'
  return typeof parsed.data === 'string' ? { text: parsed.data } : parsed.data
}

function outcome(json: string, operation: 'upsert' | 'update'): unknown {
  const parsed = parseDocument(json, operation)
  return 'fault' in parsed ? 'fault' : parsed.document
}

const numbers = fc.array(fc.oneof(fc.double({ noNaN: true, noDefaultInfinity: true }), fc.integer()), {
  maxLength: 5,
})
const tricky = fc.oneof(
  fc.string(),
  fc.constantFrom('"vector":[1]', '\\"vector":[1,2]', ']', '[', 'vector', '{"vector":[3]}', 'é\u2028"'),
)
const value = fc.oneof(
  numbers,
  tricky,
  fc.integer(),
  fc.constant(null),
  fc.record({ vector: fc.oneof(numbers, tricky), [`a"vector`]: numbers }, { requiredKeys: [] }),
  fc.array(fc.oneof(numbers, tricky), { maxLength: 2 }),
)
const key = fc.constantFrom('vector', 'id', 'text', 'metadata', 'source_id', 'version', 'x"vector', 'other')
/** Members in any order, a key more than once too. */
const members = fc.array(
  fc.oneof(
    fc.tuple(fc.constant('vector'), numbers),
    fc.tuple(fc.constantFrom('id', 'text', 'source_id'), tricky),
    fc.tuple(fc.constant('metadata'), fc.record({ vector: numbers, note: tricky }, { requiredKeys: [] })),
    fc.tuple(key, value),
  ),
  { maxLength: 5 },
)
const space = fc.constantFrom('', ' ', '\n\t')

test('a document is what the schema says, wherever its vector stands and whatever looks like one', () => {
  fc.assert(
    fc.property(members, space, fc.constantFrom('upsert', 'update'), (list, gap, operation) => {
      const parts = list.map(([name, held]) => `${JSON.stringify(name)}${gap}:${gap}${JSON.stringify(held)}`)
      const json = `{${gap}${parts.join(`${gap},${gap}`)}${gap}}`
      expect(outcome(json, operation)).toEqual(judge(json, operation))
    }),
    { numRuns: 2000 },
  )
})

test.for([
  ['{"id":"a","vector":[1,2}', 'INVALID_JSON'],
  ['{"id":"a","vector":[1,2]', 'INVALID_JSON'],
  ['{"id":"a","vector":[1,2],}', 'INVALID_JSON'],
  ['{"id":"a","vector":[1,,2]}', 'INVALID_JSON'],
  ['{"id":"a","vector":[1,2]]}', 'INVALID_JSON'],
  ['{"id":"a","vector":x[1,2]}', 'INVALID_JSON'],
  ['{"id":"a","vector":[NaN]}', 'INVALID_JSON'],
  ['{"id":"a","vector" [1]}', 'INVALID_JSON'],
  ['{"id":"a","vector":[[1,2]]}', 'INVALID_DOCUMENT'],
  ['{"id":"a","vector":["1"]}', 'INVALID_DOCUMENT'],
  ['{"id":"a","vector":[null]}', 'INVALID_DOCUMENT'],
  ['{"id":"a","vector":[]}', 'INVALID_DOCUMENT'],
  ['{"id":"a","vector":1}', 'INVALID_DOCUMENT'],
  ['{"id":"","vector":[1]}', 'INVALID_DOCUMENT'],
  ['{"id":"a","vector":[1],"vector":"[2]"}', 'INVALID_DOCUMENT'],
  ['{"id":"a","vector":[1],"metadata":{"__proto__":{}}}', 'INVALID_DOCUMENT'],
  [`{"vector":[1],"metadata":{"a":${'['.repeat(64)}${']'.repeat(64)}}}`, 'INVALID_DOCUMENT'],
  ['{"id":"a","vector":[1e999]}', 'NON_FINITE_VECTOR'],
] as const)('%s is %s', ([json, fault]) => {
  expect(parseDocument(json, 'upsert')).toMatchObject({ fault, detail: expect.stringMatching(/./) })
})

test('the longest vector that a document may have is read, number by number, and a longer one refused', () => {
  const vector = Array.from({ length: MAX_DIMENSION }, (_, i) => i / 7)
  expect(parseDocument(JSON.stringify({ vector }), 'upsert')).toEqual({ document: { vector } })
  const longer = JSON.stringify({ vector: [...vector, 1] })
  expect(parseDocument(longer, 'upsert')).toMatchObject({ fault: 'INVALID_DOCUMENT' })
})
