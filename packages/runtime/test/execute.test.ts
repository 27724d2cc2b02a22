/* oxlint-disable typescript/unbound-method -- the members of a context are closures, made to be taken out */
import { beforeEach, expect, test } from 'vitest'
import { z } from 'zod'
import { NonRetryableError, RetryableError } from '../src/errors.js'
import { afterAbort, execute } from '../src/host/execute.js'
import type { Outcome } from '../src/host/host.js'
import { prepareHandlers } from '../src/host/prepared-handler.js'
import { definePlugin, type HandlerSpec, type PayloadSpec, type RunContext } from '../src/plugin.js'
import { testSurroundings, testWork, type TestWork } from './host-fixtures.js'

type Context = RunContext<unknown, { readonly name: string }, unknown>

let life: { closed: boolean }
beforeEach(() => {
  life = { closed: false }
})

function handlerOf(spec: Partial<HandlerSpec<PayloadSpec, z.ZodType, { readonly name: string }, unknown>>) {
  const plugin = definePlugin({
    contract: 1,
    name: 'p',
    version: '1.0.0',
    module: import.meta.url,
    options: z.strictObject({}),
    setup: () => ({ name: 'deps' }),
    handlers: (handler) => [
      handler('t', { payload: z.unknown(), result: z.unknown(), run: () => null, ...spec }),
    ],
  })()
  return prepareHandlers(plugin).get('t')
}

function run(spec: Parameters<typeof handlerOf>[0], told: TestWork = testWork('t', {})): Promise<Outcome> {
  const around = { deps: { name: 'deps' }, services: () => ({}), metrics: testSurroundings().metrics }
  return execute(handlerOf(spec), told.work, around, life)
}

const runs = (body: (context: Context) => unknown, told?: TestWork) => run({ run: body }, told)

// ── payload ───────────────────────────────────────────────────────────────────────────────────────────────────────────

test('gives the handler the parsed payload, its defaults filled in, and answers the checked result', async () => {
  const outcome = await run(
    {
      payload: z.strictObject({ n: z.int().default(20) }),
      result: z.strictObject({ doubled: z.int(), at: z.string().default('now') }),
      run: ({ payload }) => ({ doubled: (payload as { n: number }).n * 2 }),
    },
    testWork('t', {}),
  )
  expect(outcome).toEqual({ kind: 'succeeded', result: '{"doubled":40,"at":"now"}' })
})

test('refuses a payload that is not JSON without quoting it', async () => {
  expect(await run({}, testWork('t', null, { payload: '{"secret": hunter2' }))).toEqual({
    kind: 'invalid_payload',
    error: { code: 'invalid_payload', message: 'the payload is not JSON' },
  })
})

test('refuses a payload that does not fit and names each fault', async () => {
  const payload = z.strictObject({ documents: z.array(z.strictObject({ id: z.string() })) })
  const outcome = await run({ payload }, testWork('t', { documents: [{ id: 'a' }, { id: 5 }] }))
  expect(outcome).toEqual({
    kind: 'invalid_payload',
    error: {
      code: 'invalid_payload',
      message: 'the payload does not fit its schema: documents[1].id: expected string, got number',
    },
  })
})

test('never calls the handler with a payload that does not fit', async () => {
  let called = false
  await run({ payload: z.strictObject({}), run: () => (called = true) }, testWork('t', { x: 1 }))
  expect(called).toBe(false)
})

test('refuses a payload whose schema throws', async () => {
  const payload = z.unknown().transform(() => {
    throw new Error('defect')
  })
  expect(await run({ payload })).toEqual({
    kind: 'invalid_payload',
    error: { code: 'invalid_payload', message: 'defect' },
  })
})

test('waits for schemas that check asynchronously', async () => {
  const even = z.int().refine(async (n) => n % 2 === 0, 'must be even')
  const spec = {
    payload: even,
    result: even,
    run: ({ payload }: { payload: unknown }) => (payload as number) + 1,
  }
  expect(await run(spec, testWork('t', 3))).toMatchObject({ kind: 'invalid_payload' })
  expect(await run(spec, testWork('t', 2))).toMatchObject({
    kind: 'threw',
    error: { code: 'invalid_result' },
  })
  expect(await run({ ...spec, run: () => 4 }, testWork('t', 2))).toEqual({ kind: 'succeeded', result: '4' })
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

test('refuses a type that the plugin does not handle', async () => {
  const around = { deps: null, services: () => ({}), metrics: testSurroundings().metrics }
  expect(await execute(undefined, testWork('other', {}).work, around, life)).toMatchObject({
    kind: 'invalid_payload',
    error: { code: 'unknown_type' },
  })
})

const versions = {
  payload: {
    1: z.strictObject({ a: z.string() }),
    2: z.strictObject({ b: z.int(), c: z.int().default(7) }),
    3: z.strictObject({ d: z.int().max(100) }),
  },
  migrate: {
    1: (old: { readonly a: string }) => ({ b: old.a.length }),
    2: (old: { readonly b: number; readonly c: number }) => ({ d: old.b + old.c }),
  },
  result: z.unknown(),
  run: ({ payload }: { readonly payload: unknown }) => payload,
}

test('brings an old payload to the newest version, each step checked and filled in by its schema', async () => {
  expect(await run(versions, testWork('t', { a: 'abc' }, { version: 1 }))).toEqual({
    kind: 'succeeded',
    result: '{"d":10}',
  })
  expect(await run(versions, testWork('t', { b: 1 }, { version: 2 }))).toEqual({
    kind: 'succeeded',
    result: '{"d":8}',
  })
  expect(await run(versions, testWork('t', { d: 5 }, { version: 3 }))).toEqual({
    kind: 'succeeded',
    result: '{"d":5}',
  })
})

test('refuses an old payload that does not fit its own version', async () => {
  const outcome = await run(versions, testWork('t', { d: 5 }, { version: 1 }))
  expect(outcome).toMatchObject({
    kind: 'invalid_payload',
    error: { message: expect.stringContaining('version 1') },
  })
})

test('refuses what a migration made when it does not fit the next version', async () => {
  const outcome = await run(versions, testWork('t', { b: 98 }, { version: 2 }))
  expect(outcome).toMatchObject({
    kind: 'invalid_payload',
    error: { message: 'the payload, brought to version 3, does not fit its schema: d: expected at most 100' },
  })
})

test('refuses a version that it does not know', async () => {
  expect(await run(versions, testWork('t', {}, { version: 4 }))).toMatchObject({
    kind: 'invalid_payload',
    error: { code: 'unknown_version' },
  })
})

test('refuses the payload when a migration throws', async () => {
  const migrate = {
    ...versions.migrate,
    2: () => {
      throw new Error('cannot migrate')
    },
  }
  const outcome = await run({ ...versions, migrate }, testWork('t', { b: 1 }, { version: 2 }))
  expect(outcome).toMatchObject({ kind: 'invalid_payload', error: { message: 'cannot migrate' } })
})

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

// ── context ───────────────────────────────────────────────────────────────────────────────────────────────────────────

test('gives the handler its task, deps and log', async () => {
  const told = testWork('t', {}, { attempt: 3, delivery: 5, deadline: 99 })
  let seen: unknown
  await runs(({ task, deps, log }) => {
    log.warn('odd', { a: 1 })
    seen = { task, deps }
    return null
  }, told)
  expect(seen).toEqual({
    task: { id: 'task-1', type: 't', version: 1, attempt: 3, delivery: 5, deadline: 99 },
    deps: { name: 'deps' },
  })
  expect(told.said.lines).toEqual([{ level: 'warn', event: 'odd', fields: { a: 1 } }])
})

test('never makes a signal that the handler does not ask for', async () => {
  const told = testWork('t', {})
  await runs(({ progress }) => progress(1), told)
  expect(told.signalMade()).toBe(false)
})

test('progress never goes backwards', async () => {
  const told = testWork('t', {})
  await runs(({ progress }) => {
    for (const done of [1, 5, 3, Number.NaN, -1, 7]) progress(done, 10)
    progress(8, null, 'almost\n\u001b[31mthere')
    return null
  }, told)
  expect(told.said.progress.map(({ done }) => done)).toEqual([1, 5, 5, 5, 7, 8])
  expect(told.said.progress.at(-1)).toEqual({ done: 8, total: null, note: 'almost [31mthere' })
})

test('a checkpoint is read back, set, and deleted with null', async () => {
  const told = testWork('t', {}, { checkpoint: '{"page":3}' })
  const outcome = await runs(async ({ checkpoint }) => {
    const before = checkpoint.get()
    await checkpoint.set({ page: 4 })
    const after = checkpoint.get()
    await checkpoint.set(null)
    return { before, after, last: checkpoint.get() }
  }, told)
  expect(outcome).toEqual({
    kind: 'succeeded',
    result: '{"before":{"page":3},"after":{"page":4},"last":null}',
  })
  expect(told.said.checkpoints).toEqual(['{"page":4}', null])
})

test('a child’s payload crosses as JSON text', async () => {
  const told = testWork('t', {})
  const outcome = await runs(({ submit }) => submit('child', { a: 1 }, { key: 'k', delay: '1m' }), told)
  expect(outcome).toMatchObject({ kind: 'succeeded', result: '{"id":"child-1","duplicate":false}' })
  expect(told.said.children).toEqual([
    { type: 'child', payload: '{"a":1}', options: { key: 'k', delay: '1m' } },
  ])
})

test('passes on nothing that is said after the end of the delivery', async () => {
  const told = testWork('t', {})
  let kept: Context | undefined
  await runs((context) => {
    kept = context
    return null
  }, told)
  kept?.progress(1)
  await expect(kept?.checkpoint.set(1)).rejects.toMatchObject({ code: 'aborted' })
  await expect(kept?.submit('child', {}, { key: 'k' })).rejects.toMatchObject({ code: 'aborted' })
  expect(told.said).toMatchObject({ progress: [], checkpoints: [], children: [] })
})
