import { expect, test } from 'vitest'
import { z } from 'zod'
import { execute } from '../src/host/execute.js'
import { run } from './execute-harness.js'
import { testSurroundings, testWork } from './host-fixtures.js'

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

test('refuses a type that the plugin does not handle', async () => {
  const around = { deps: null, services: () => ({}), metrics: testSurroundings().metrics }
  expect(await execute(undefined, testWork('other', {}).work, around, { closed: false })).toMatchObject({
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
