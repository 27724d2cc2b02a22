import { expect, test } from 'vitest'
import { z } from 'zod'
import { payloadSchema, previewInputSchema } from '../src/payload.js'

test("the seed's payload fits", () => {
  expect(payloadSchema.safeParse({ target: 'temp_files', older_than: '24h' }).success).toBe(true)
})

const NO_NAMES = [
  '../etc',
  '/etc',
  '/',
  '.',
  '..',
  '',
  'temp_files/..',
  'a/b',
  'temp\0files',
  'Temp',
  'a'.repeat(64),
  '~',
  '*',
  'C:\\',
]

test.each(NO_NAMES)('%o is no target: a target is a name, never a path', (target) => {
  expect(payloadSchema.safeParse({ target, older_than: '24h' }).success).toBe(false)
  expect(previewInputSchema.safeParse({ target, older_than: '24h' }).success).toBe(false)
})

test.each([['../**'], ['/etc/*'], ['a/../../b'], ['a\0b'], [''], ['x'.repeat(257)]])(
  '%o is no pattern',
  (pattern) => {
    for (const field of ['include', 'exclude'])
      expect(payloadSchema.safeParse({ target: 't', [field]: [pattern] }).success).toBe(false)
  },
)

test('unknown keys are refused, also within database', () => {
  expect(payloadSchema.safeParse({ target: 't', path: '/etc' }).success).toBe(false)
  expect(payloadSchema.safeParse({ target: 't', database: { drop: true } }).success).toBe(false)
})

test('the payload can be described as JSON Schema, as OpenAPI needs it', () => {
  const schema = z.toJSONSchema(payloadSchema, { io: 'input' })
  expect(schema).toMatchObject({ required: ['target'], additionalProperties: false })
})

test('a cursor beside until_free is refused: the oldest of all files are chosen each time', () => {
  const payload = { target: 't', until_free: { percent: 10 }, cursor: 'abc' }
  const { error } = payloadSchema.safeParse(payload)
  expect(error?.issues).toMatchObject([{ path: ['cursor'], message: expect.stringContaining('until_free') }])
  expect(payloadSchema.safeParse({ ...payload, cursor: undefined }).success).toBe(true)
})
