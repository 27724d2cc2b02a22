/* oxlint-disable typescript/unbound-method -- the members of a context are closures, made to be taken out */
import { getEventListeners } from 'node:events'
import { expect, test, vi } from 'vitest'
import { pluginOf, started } from './echo-plugin.js'
import { createInlineHost } from '../src/host/inline.js'
import type { RunContext } from '../src/plugin.js'
import { never, testSurroundings, testWork } from './host-fixtures.js'

/** Something the test waits for and something else resolves. */
function gate<T = void>() {
  const opened: { resolve?: (value: T) => void } = {}
  const promise = new Promise<T>((resolve) => (opened.resolve = resolve))
  return { promise, resolve: (value: T) => opened.resolve?.(value) }
}

// ── perform ───────────────────────────────────────────────────────────────────────────────────────────────────────────

test('performs a task', async () => {
  const { host } = await started({ run: ({ payload }) => payload })
  expect(await host.perform(testWork('t', { a: 1 }).work)).toEqual({ kind: 'succeeded', result: '{"a":1}' })
})

test('never makes a signal for a handler that ends in the turn in which it started', async () => {
  const { host } = await started({ run: async () => null })
  const told = testWork('t', {})
  await host.perform(told.work)
  await new Promise(setImmediate)
  expect(told.signalMade()).toBe(false)
})

test('leaves no listener and no timer behind when a long handler ends', async () => {
  const { promise, resolve } = gate()
  const { host } = await started({ run: () => promise })
  const told = testWork('t', {})
  const performing = host.perform(told.work)
  await new Promise(setImmediate)
  expect(getEventListeners(told.work.signal(), 'abort')).toHaveLength(1)
  resolve()
  await performing
  expect(getEventListeners(told.work.signal(), 'abort')).toHaveLength(0)
})

test('a handler that stops at its signal ends as aborted, by itself', async () => {
  const { host } = await started({
    run: ({ signal }) =>
      new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error))),
  })
  const told = testWork('t', {})
  const performing = host.perform(told.work)
  told.abort('cancel')
  expect(await performing).toEqual({ kind: 'aborted', reason: 'cancel', killed: false })
})

test('a work that was aborted before it began is aborted', async () => {
  const { host } = await started({ run: ({ signal }) => signal.throwIfAborted() })
  const told = testWork('t', {})
  told.abort('timeout')
  expect(await host.perform(told.work)).toEqual({ kind: 'aborted', reason: 'timeout', killed: false })
})

test.each([
  ['timeout', { kind: 'succeeded', result: '"late"' }],
  ['shutdown', { kind: 'succeeded', result: '"late"' }],
  ['lease_lost', { kind: 'aborted', reason: 'lease_lost', killed: false }],
] as const)('a success within the grace after %s is %o', async (reason, outcome) => {
  const { promise, resolve } = gate<string>()
  const { host } = await started({ run: () => promise })
  const told = testWork('t', {})
  const performing = host.perform(told.work)
  await new Promise(setImmediate)
  told.abort(reason)
  resolve('late')
  expect(await performing).toEqual(outcome)
})

test('a handler that ignores its signal is abandoned after the grace, and its late words are ignored', async () => {
  const { promise, resolve } = gate<string>()
  let context: RunContext<unknown, unknown, unknown> | undefined
  const { host } = await started({
    run: (given) => {
      context = given
      return promise
    },
  })
  const told = testWork('t', {}, { graceMs: 20 })
  const performing = host.perform(told.work)
  told.abort('shutdown')
  expect(await performing).toEqual({ kind: 'abandoned', reason: 'shutdown' })
  context?.progress(5)
  await expect(context?.submit('child', {}, { key: 'k' })).rejects.toMatchObject({ code: 'aborted' })
  resolve('late')
  expect(told.said).toMatchObject({ progress: [], children: [] })
})

test('answers without a setup that the plugin is not ready', async () => {
  const host = createInlineHost(pluginOf({}), testSurroundings())
  expect(await host.perform(testWork('t', {}).work)).toMatchObject({
    kind: 'threw',
    permanent: false,
    error: { code: 'service_unavailable' },
  })
})

test('performs 1,000 tasks at once and mixes none up', async () => {
  const { host } = await started({
    run: async ({ payload }) => {
      await new Promise(setImmediate)
      return payload
    },
  })
  const outcomes = await Promise.all(
    Array.from({ length: 1000 }, (_, n) => host.perform(testWork('t', n).work)),
  )
  expect(outcomes.map((outcome) => outcome.kind === 'succeeded' && Number(outcome.result))).toEqual(
    Array.from({ length: 1000 }, (_, n) => n),
  )
})

// ── start, health, stop ───────────────────────────────────────────────────────────────────────────────────────────────

test('start rejects with what setup threw', async () => {
  const host = createInlineHost(
    pluginOf({ rest: { setup: () => Promise.reject(new Error('no database')) } }),
    testSurroundings(),
  )
  await expect(host.start(never)).rejects.toThrow('no database')
})

test('start gives up with its signal, and what the setup still makes is torn down', async () => {
  const { promise, resolve } = gate<string>()
  const torn = gate<unknown>()
  const host = createInlineHost(
    pluginOf({ rest: { setup: () => promise, teardown: ({ deps }) => torn.resolve(deps) } }),
    testSurroundings(),
  )
  const controller = new AbortController()
  const starting = host.start(controller.signal)
  controller.abort(new Error('gave up'))
  await expect(starting).rejects.toThrow('gave up')
  resolve('deps')
  expect(await torn.promise).toBe('deps')
})

test('setup is given the checked options, and run what setup answered', async () => {
  const { host } = await started(
    { rest: { setup: ({ options }) => ({ from: options }) }, run: ({ deps }) => deps },
    { options: { bucket: 'x' } },
  )
  expect(await host.perform(testWork('t', {}).work)).toEqual({
    kind: 'succeeded',
    result: '{"from":{"bucket":"x"}}',
  })
})

test('health resolves without a check, and rejects with what is wrong', async () => {
  const { host } = await started({})
  await expect(host.health(never)).resolves.toBeUndefined()
  const sick = await started({
    rest: {
      health: () => {
        throw new Error('store is away')
      },
    },
  })
  await expect(sick.host.health(never)).rejects.toThrow('store is away')
})

test('health ends with its signal even where the check hangs', async () => {
  const { host } = await started({ rest: { health: () => new Promise(() => {}) } })
  await expect(host.health(AbortSignal.abort(new Error('too late')))).rejects.toThrow('too late')
})

test('stop tears down once, and rejects with what teardown threw', async () => {
  const teardown = vi.fn<() => void>()
  const { host } = await started({ rest: { teardown } })
  await host.stop(1000)
  await host.stop(1000)
  expect(teardown).toHaveBeenCalledTimes(1)
  const bad = await started({ rest: { teardown: () => Promise.reject(new Error('stuck')) } })
  await expect(bad.host.stop(1000)).rejects.toThrow('stuck')
})

test('stop ends by its deadline where teardown hangs, and says so', async () => {
  const { host, around } = await started({ rest: { teardown: () => new Promise(() => {}) } })
  await host.stop(20)
  expect(around.lines).toMatchObject([{ level: 'warn', event: 'plugin_teardown_late' }])
})
