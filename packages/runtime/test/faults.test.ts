import { expect, test } from 'vitest'
import { z } from 'zod'
import { describeFaults, KEEP_INPUT } from '../src/faults.js'

const SECRET = 'hunter2-the-payload-text'

function faultsOf(schema: z.ZodType, value: unknown, root = '') {
  const parsed = schema.safeParse(value, KEEP_INPUT)
  if (parsed.success) throw new Error('expected faults')
  return describeFaults(parsed.error, root)
}

test.each([
  [z.object({ a: z.string() }), {}, [{ path: 'a', message: 'expected string, got nothing' }]],
  [z.object({ a: z.string() }), { a: null }, [{ path: 'a', message: 'expected string, got null' }]],
  [z.object({ a: z.int() }), { a: 'x' }, [{ path: 'a', message: 'expected number, got string' }]],
  [z.object({ a: z.int() }), { a: 1.5 }, [{ path: 'a', message: 'expected whole number, got number' }]],
  [
    z.array(z.object({ id: z.string() })),
    [{ id: 'a' }, {}],
    [{ path: '[1].id', message: 'expected string, got nothing' }],
  ],
  [z.object({ a: z.number().max(3) }), { a: 99 }, [{ path: 'a', message: 'expected at most 3' }]],
  [
    z.object({ a: z.string().min(3) }),
    { a: 'x' },
    [{ path: 'a', message: 'expected at least 3 characters, got 1' }],
  ],
  [
    z.object({ a: z.array(z.int()).length(2) }),
    { a: [1] },
    [{ path: 'a', message: 'expected exactly 2 items, got 1' }],
  ],
  [
    z.object({ a: z.enum(['x', 'y']) }),
    { a: SECRET },
    [{ path: 'a', message: 'expected one of "x", "y", got another text' }],
  ],
  [
    z.object({ a: z.record(z.string(), z.int()), b: z.tuple([z.int()]) }),
    { a: [], b: {} },
    [
      { path: 'a', message: 'expected object, got array' },
      { path: 'b', message: 'expected array, got object' },
    ],
  ],
  [
    z.discriminatedUnion('kind', [
      z.object({ kind: z.literal('a').optional() }),
      z.object({ kind: z.literal('b') }),
    ]),
    { kind: SECRET },
    [{ path: 'kind', message: 'expected one of "a", "b"' }],
  ],
  [z.object({ a: z.url() }), { a: SECRET }, [{ path: 'a', message: 'expected text in the format url' }]],
  [
    z.object({ a: z.string().regex(/^a+$/) }),
    { a: SECRET },
    [{ path: 'a', message: 'expected text that matches /^a+$/' }],
  ],
  [
    z.strictObject({}),
    { b: 1, 'c d': 2 },
    [
      { path: 'b', message: 'unknown key' },
      { path: '["c d"]', message: 'unknown key' },
    ],
  ],
  [
    z.object({ a: z.union([z.string(), z.number()]) }),
    { a: null },
    [{ path: 'a', message: 'expected string or number, got null' }],
  ],
  [
    z.object({ a: z.number().refine(() => false, 'must be a prime') }),
    { a: 4 },
    [{ path: 'a', message: 'must be a prime' }],
  ],
] as const)('says path, expectation and kind (%#)', (schema, value, faults) => {
  expect(faultsOf(schema, value)).toEqual(faults)
})

test.each([
  [z.string({ error: 'expected a path' }), 1],
  [z.string().regex(/^a+$/, { error: 'expected a path' }), SECRET],
  [z.iso.datetime({ error: 'expected a path' }), SECRET],
  [z.enum(['x'], { error: 'expected a path' }), SECRET],
  [z.number().max(3, 'expected a path'), 99],
  [z.union([z.string(), z.number()], { error: 'expected a path' }), null],
] as const)('takes the words that a schema gives itself (%#)', (schema, value) => {
  expect(faultsOf(z.object({ a: schema }), { a: value })).toEqual([{ path: 'a', message: 'expected a path' }])
})

test('takes the words of an option of a union', () => {
  const schema = z.union([z.string({ error: 'expected a path' }), z.number()])
  expect(faultsOf(schema, null)).toEqual([{ path: '', message: 'expected a path or number, got null' }])
})

test('names the fault inside the one option of a union that came closest', () => {
  const schema = z.object({ source: z.union([z.string(), z.object({ url: z.string() })]) })
  expect(faultsOf(schema, { source: { url: 1 } })).toEqual([
    { path: 'source.url', message: 'expected string, got number' },
  ])
})

test('lists the tags of a tagged union', () => {
  const schema = z.discriminatedUnion('kind', [
    z.object({ kind: z.literal('a') }),
    z.object({ kind: z.literal('b') }),
  ])
  expect(faultsOf(schema, { kind: SECRET })).toEqual([{ path: 'kind', message: 'expected one of "a", "b"' }])
})

test('starts the path at the given root', () => {
  expect(faultsOf(z.object({ a: z.string() }), {}, '@acme/x.options')).toEqual([
    { path: '@acme/x.options.a', message: 'expected string, got nothing' },
  ])
})

test('says what came even where the parse did not keep its input', () => {
  const parsed = z.object({ a: z.string() }).safeParse({ a: 1 })
  expect(parsed.error && describeFaults(parsed.error)).toEqual([
    { path: 'a', message: 'expected string, got number' },
  ])
})

test('never shows the value, whatever the schema refuses', () => {
  const schemas = [
    z.int(),
    z.literal('x'),
    z.email(),
    z.iso.datetime(),
    z.string().max(2),
    z.union([z.int(), z.object({})]),
    z.record(z.string(), z.int()),
    z.array(z.string()),
    z.json().refine(() => false),
    z.string().startsWith('a').endsWith('b').includes('c'),
  ]
  for (const schema of schemas) expect(JSON.stringify(faultsOf(schema, SECRET))).not.toContain(SECRET)
})

test('lists at most 100 faults and counts the rest', () => {
  const faults = faultsOf(
    z.array(z.string()),
    Array.from({ length: 250 }, () => 1),
  )
  expect(faults).toHaveLength(100)
  expect(faults.at(-1)).toEqual({ path: '', message: 'and 151 more' })
})

test('cuts and cleans keys, since they come from outside', () => {
  const [fault] = faultsOf(z.strictObject({}), { [`bad\u001b[31m${'x'.repeat(5000)}`]: 1 })
  expect(fault?.path.length).toBeLessThan(100)
  expect(fault?.path).not.toContain('\u001b')
})
