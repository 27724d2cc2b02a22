/* oxlint-disable typescript/unbound-method -- the members of a context are closures, made to be taken out */
import { expect, test } from 'vitest'
import { z } from 'zod'
import { NonRetryableError, RetryableError } from '../src/errors.js'
import { afterAbort } from '../src/host/execute.js'
import { run, runs } from './execute-harness.js'
import { testWork } from './host-fixtures.js'

// ── result ────────────────────────────────────────────────────────────────────────────────────────────────────────────

test('answers a result that its schema refuses as a charged failure, without its text', async () => {
  const outcome = await run({ result: z.strictObject({ n: z.int() }), run: () => ({ n: 'private' }) })
  expect(outcome).toEqual({
    kind: 'threw',
    permanent: false,
    delayMs: null,
    error: {
      code: 'invalid_result',
      message: 'the result does not fit its schema: n: expected number, got string',
    },
  })
})

test.each([
  [
    'circular',
    () => {
      const a: Record<string, unknown> = {}
      a['a'] = a
      return a
    },
  ],
  ['undefined', () => undefined],
  ['a bigint', () => 5n],
  ['65 levels deep', () => JSON.parse('['.repeat(65) + ']'.repeat(65)) as unknown],
  [
    'one whose toJSON throws',
    () => ({
      toJSON: () => {
        throw new Error('no')
      },
    }),
  ],
])('answers a result that is %s as invalid_result', async (_what, result) => {
  expect(await runs(result)).toMatchObject({ kind: 'threw', error: { code: 'invalid_result' } })
})

test('answers a result above 256 KiB as result_too_large', async () => {
  const outcome = await runs(() => 'x'.repeat(256 * 1024))
  expect(outcome).toMatchObject({ kind: 'threw', permanent: false, error: { code: 'result_too_large' } })
})

// ── throws ────────────────────────────────────────────────────────────────────────────────────────────────────────────

test('tells what to do with what a handler throws', async () => {
  expect(
    await runs(() => {
      throw new TypeError('defect')
    }),
  ).toEqual({
    kind: 'threw',
    error: { code: 'handler_failed', message: 'TypeError: defect' },
    permanent: false,
    delayMs: null,
  })
  expect(
    await runs(async () => {
      throw new NonRetryableError('bad image', { code: 'bad_image' })
    }),
  ).toEqual({
    kind: 'threw',
    error: { code: 'bad_image', message: 'bad image' },
    permanent: true,
    delayMs: null,
  })
  expect(await runs(() => Promise.reject(new RetryableError('busy', { delayMs: 700 })))).toMatchObject({
    kind: 'threw',
    permanent: false,
    delayMs: 700,
  })
})

test.each([undefined, null, 'text', 0, {}, Symbol('s')])('survives a thrown %s', async (thrown) => {
  expect(await runs(() => Promise.reject(thrown as Error))).toMatchObject({
    kind: 'threw',
    error: { code: 'handler_failed' },
  })
})

test('waits for a thenable that is no promise', async () => {
  const thenable = { then: (resolve: (value: string) => void) => resolve('late') } // eslint-disable-line unicorn/no-thenable
  expect(await runs(() => thenable)).toEqual({ kind: 'succeeded', result: '"late"' })
})

test('snooze puts the task off until a date or for a duration', async () => {
  const at = new Date(Date.now() + 3_600_000)
  expect(await runs(({ snooze }) => snooze(at))).toEqual({ kind: 'snoozed', until: at.getTime() })
  const before = Date.now()
  const outcome = await runs(async ({ snooze }) => {
    throw snooze('2m')
  })
  expect(outcome.kind === 'snoozed' && outcome.until >= before + 120_000).toBe(true)
})

test('a snooze until no date is the handler’s failure', async () => {
  expect(await runs(({ snooze }) => snooze(new Date('nonsense')))).toMatchObject({ kind: 'threw' })
  expect(await runs(({ snooze }) => snooze('5' as never))).toMatchObject({ kind: 'threw' })
})

test('what a handler throws after the abort does not matter', async () => {
  const told = testWork('t', {})
  const outcome = await runs(({ signal, snooze }) => {
    told.abort('shutdown')
    expect(signal.reason).toMatchObject({ name: 'AbortError', reason: 'shutdown' })
    return snooze('1h')
  }, told)
  expect(outcome).toEqual({ kind: 'aborted', reason: 'shutdown', killed: false })
})

test('a success in spite of the abort counts, unless another worker has the task', () => {
  const succeeded = { kind: 'succeeded', result: '1' } as const
  expect(afterAbort(succeeded, 'shutdown')).toBe(succeeded)
  expect(afterAbort(succeeded, 'timeout')).toBe(succeeded)
  expect(afterAbort(succeeded, 'cancel')).toBe(succeeded)
  expect(afterAbort(succeeded, 'lease_lost')).toEqual({
    kind: 'aborted',
    reason: 'lease_lost',
    killed: false,
  })
  expect(afterAbort({ kind: 'snoozed', until: 1 }, 'cancel')).toMatchObject({
    kind: 'aborted',
    reason: 'cancel',
  })
})

const trap = () => {
  throw new Error('trap')
}

test('survives a thrown value that throws when it is looked into', async () => {
  const hostile: object = new Proxy({}, { has: trap, get: trap })
  const outcome = await runs(() => {
    throw hostile
  })
  expect(outcome).toEqual({
    kind: 'threw',
    error: { code: 'handler_failed', message: 'something was thrown that cannot be read' },
    permanent: false,
    delayMs: null,
  })
})
