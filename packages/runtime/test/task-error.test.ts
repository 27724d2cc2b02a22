import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { NonRetryableError, RetryableError, WorkerError } from '../src/errors.js'
import { toTaskError } from '../src/task-error.js'

const messageOf = (thrown: unknown) => toTaskError(thrown, 'handler_failed').message

test('takes the code of the runtime’s own errors, else the fallback', () => {
  expect(toTaskError(new WorkerError('storage_full', 'x'), 'handler_failed').code).toBe('storage_full')
  expect(toTaskError(new NonRetryableError('x', { code: 'bad_image' }), 'handler_failed').code).toBe(
    'bad_image',
  )
  expect(toTaskError(new RetryableError('x', { code: 'busy' }), 'handler_failed').code).toBe('busy')
  expect(toTaskError(Object.assign(new Error('x'), { code: 'ENOENT' }), 'handler_failed').code).toBe(
    'handler_failed',
  )
  expect(toTaskError(new NonRetryableError('x', { code: 'Not a code!' }), 'fallback').code).toBe('fallback')
})

test('writes the chain of causes on one line', () => {
  const error = new Error('index failed', {
    cause: new TypeError('x is not iterable', { cause: 'disk\nfull' }),
  })
  expect(messageOf(error)).toBe(
    'index failed; caused by TypeError: x is not iterable; caused by a string was thrown: disk full',
  )
})

test('a sentence that goes on with its cause has no full stop before it', () => {
  const error = new Error('It is gone. Start it again.', { cause: new Error('Refused.') })
  expect(messageOf(error)).toBe('It is gone. Start it again; caused by Error: Refused.')
})

test('ends at a chain of causes that goes in a circle', () => {
  const a = new Error('a')
  a.cause = new Error('b', { cause: a })
  expect(messageOf(a)).toBe('a; caused by Error: b')
})

test('keeps the first of the errors of an AggregateError', () => {
  const error = new AggregateError(
    [1, 2, 3, 4, 5].map((n) => new Error(`e${n}`)),
    'all failed',
  )
  expect(messageOf(error)).toBe('AggregateError: all failed [Error: e1; Error: e2; Error: e3; and 2 more]')
})

test.each([
  [undefined, 'undefined was thrown'],
  [null, 'null was thrown'],
  [42, '42 was thrown'],
  ['boom', 'a string was thrown: boom'],
  [{ a: 1 }, 'a non-error was thrown: object'],
  [[1], 'a non-error was thrown: array'],
  [() => 1, 'a function was thrown'],
  [Symbol('s'), 'Symbol(s) was thrown'],
  [new Error(''), 'Error'],
] as const)('describes the thrown value %#', (thrown, message) => {
  expect(messageOf(thrown)).toBe(message)
})

test('survives a thrown value that throws when it is read', () => {
  const hostile = new Proxy(
    {},
    {
      has: () => {
        throw new Error('trap')
      },
      get: () => {
        throw new Error('trap')
      },
    },
  )
  expect(toTaskError(hostile, 'handler_failed')).toEqual({
    code: 'handler_failed',
    message: 'something was thrown that cannot be read',
  })
})

test('writes the faults of a ZodError, never the text that it refused', () => {
  const parsed = z
    .object({ key: z.int(), list: z.array(z.email()) })
    .safeParse({ key: 'private text', list: ['also private'] }, { reportInput: true })
  expect(messageOf(parsed.error)).toBe(
    'a value does not fit its schema: key: expected number, got string; list[0]: expected text in the format email',
  )
})

test.each([
  'Authorization: Bearer SECRETSECRET.x-y',
  'authorization: basic U0VDUkVUU0VDUkVU',
  'login with password=SECRETSECRET failed',
  '{"password": "SECRETSECRET with spaces"}',
  "passwd='SECRETSECRET'",
  'https://api/x?api_key=SECRETSECRET&y=1',
  'apiKey: SECRETSECRET',
  'x-api-key: SECRETSECRET',
  'client_secret=SECRETSECRET;',
  'AWS_SECRET_ACCESS_KEY=SECRETSECRET',
  'postgres://admin:SECRETSECRET@db:5432/x',
  'redis://:SECRETSECRET@cache',
  'https://SECRETSECRET@github.com/x',
  'invalid key sk-SECRETSECRET1234',
  'token sk-proj-SECRETSECRET1234 refused',
  'ghp_SECRETSECRETSECRET',
  'eyJhbGciOiJI.eyJzdWIiSECRETSECRET.SECRETSECRET',
])('takes the secret out of %j', (text) => {
  const message = messageOf(new Error(text))
  expect(message).not.toMatch(/SECRETSECRET/)
  expect(message).not.toContain('U0VDUkVUU0VDUkVU')
  expect(message).toContain('[redacted]')
})

test('keeps what is no secret', () => {
  const text =
    'ENOENT: no such file, open data/basic/tokens.json at https://example.com/a@b (task-12, 3 tokens)'
  expect(messageOf(new Error(text))).toBe(text)
})

test('strips control characters and marks that reverse text', () => {
  expect(messageOf(new Error('a\u001b[31mred\u0000\u202ebad\u2028x'))).toBe('a [31mred bad x')
})

test('is at most 4 KiB of well-formed UTF-8, whatever was thrown', () => {
  fc.assert(
    fc.property(
      fc.array(fc.string({ unit: 'binary', maxLength: 6000 }), { minLength: 1, maxLength: 4 }),
      (texts) => {
        const error = texts.reduce<Error | undefined>((cause, text) => new Error(text, { cause }), undefined)
        const message = messageOf(error)
        expect(Buffer.byteLength(message)).toBeLessThanOrEqual(4096)
        expect(Buffer.from(message).toString()).toBe(message)
      },
    ),
    { numRuns: 50 },
  )
})

test('says where it was cut', () => {
  expect(messageOf(new Error('é'.repeat(5000)))).toMatch(/é…$/)
})
