/* oxlint-disable typescript/unbound-method -- the members of a context are closures, made to be taken out */
import { getEventListeners } from 'node:events'
import { expect, test, vi } from 'vitest'
import { z } from 'zod'
import { WorkerError } from '../src/errors.js'
import { createInlineHost } from '../src/host/inline.js'
import type { HostSurroundings } from '../src/host/host.js'
import {
  definePlugin,
  defineService,
  type Plugin,
  type PluginDefinition,
  type RunContext,
} from '../src/plugin.js'
import { never, testSurroundings, testWork } from './host-fixtures.js'

type Definition = PluginDefinition<z.ZodType, unknown, {}, readonly [], readonly []>

interface EchoPlugin {
  readonly run?: (context: RunContext<unknown, unknown, unknown>) => unknown
  readonly query?: (context: { readonly input: unknown; readonly signal: AbortSignal }) => unknown
  readonly rest?: Partial<Pick<Definition, 'setup' | 'health' | 'teardown' | 'uses' | 'provides'>>
}

function pluginOf({ run = () => null, query = () => ({}), rest = {} }: EchoPlugin): Plugin {
  return definePlugin({
    contract: 1,
    name: '@acme/echo',
    version: '1.0.0',
    module: import.meta.url,
    options: z.unknown(),
    handlers: (handler) => [handler('t', { payload: z.unknown(), result: z.unknown(), run })],
    queries: (define) => [
      define('q', {
        input: z.strictObject({ n: z.int() }),
        output: z.object({}),
        timeout: '50ms',
        run: query as never,
      }),
    ],
    ...(rest as object),
  })()
}

async function started(plugin: EchoPlugin, options: Partial<HostSurroundings> = {}) {
  const around = testSurroundings(options)
  const host = createInlineHost(pluginOf(plugin), around)
  await host.start(never)
  return { host, around }
}

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

// ── queries and services ──────────────────────────────────────────────────────────────────────────────────────────────

test('a query is checked on both sides', async () => {
  const { host } = await started({
    query: ({ input }) => ((input as { n: number }).n > 0 ? { n: 1 } : 'odd'),
  })
  expect(await host.query('q', { n: 1 }, never)).toEqual({})
  await expect(host.query('q', { n: 'x' }, never)).rejects.toMatchObject({
    code: 'invalid_input',
    faults: [{ path: 'n', message: 'expected number, got string' }],
  })
  await expect(host.query('q', { n: 0 }, never)).rejects.toMatchObject({ code: 'query_failed' })
  await expect(host.query('other', {}, never)).rejects.toMatchObject({ code: 'unknown_query' })
})

test('a query that throws rejects with query_failed and the cause', async () => {
  const { host } = await started({
    query: () => {
      throw new TypeError('defect')
    },
  })
  await expect(host.query('q', { n: 1 }, never)).rejects.toMatchObject({
    code: 'query_failed',
    cause: new TypeError('defect'),
  })
})

test('a query ends at its own time limit, or with its caller’s signal', async () => {
  const { host } = await started({ query: () => new Promise(() => {}) })
  await expect(host.query('q', { n: 1 }, never)).rejects.toMatchObject({
    code: 'query_failed',
    message: expect.stringContaining('within 50 ms'),
  })
  const gone = new Error('caller has gone')
  await expect(host.query('q', { n: 1 }, AbortSignal.abort(gone))).rejects.toBe(gone)
})

interface Greeter {
  greet(name: string): Promise<string>
}
const greeter = defineService<Greeter>('greeter')

test('a plugin calls a service through the worker, and an optional one that nobody provides is undefined', async () => {
  const calls: unknown[] = []
  const around = testSurroundings({
    provided: new Set(['greeter']),
    callService: async (call) => {
      calls.push(call)
      return 'hello'
    },
  })
  const plugin = definePlugin({
    contract: 1,
    name: 'user',
    version: '1.0.0',
    module: import.meta.url,
    options: z.unknown(),
    uses: { greeter, absent: defineService<Greeter>('absent').optional() },
    handlers: (handler) => [
      handler('t', {
        payload: z.unknown(),
        result: z.unknown(),
        run: async ({ services }) => ({
          said: await services.greeter.greet('you'),
          absent: services.absent === undefined,
          awaited: (await Promise.resolve(services.greeter)) === services.greeter,
        }),
      }),
    ],
  })()
  const host = createInlineHost(plugin, around)
  await host.start(never)
  expect(await host.perform(testWork('t', {}).work)).toEqual({
    kind: 'succeeded',
    result: '{"said":"hello","absent":true,"awaited":true}',
  })
  expect(calls).toEqual([{ service: 'greeter', method: 'greet', args: ['you'] }])
})

test('a plugin answers for the service that it provides, with the object’s own this', async () => {
  class Greeting {
    readonly word = 'hello'
    async greet(name: string): Promise<string> {
      if (name === '') throw new WorkerError('invalid_input', 'no name')
      return `${this.word} ${name}`
    }
  }
  const { host } = await started({
    rest: { provides: (provide) => [provide(greeter, () => new Greeting())] },
  })
  const call = (service: string, method: string, ...args: unknown[]) =>
    host.call({ service, method, args }, never)
  expect(await call('greeter', 'greet', 'you')).toBe('hello you')
  await expect(call('greeter', 'greet', '')).rejects.toMatchObject({ code: 'invalid_input' })
  await expect(call('greeter', 'nope')).rejects.toMatchObject({ code: 'service_unavailable' })
  await expect(call('greeter', 'hasOwnProperty', 'word')).rejects.toMatchObject({
    code: 'service_unavailable',
  })
  await expect(call('other', 'greet')).rejects.toMatchObject({ code: 'service_unavailable' })
})

test('a call ends with the task that made it, and the provider is told; what the setup kept goes on', async () => {
  const signals: AbortSignal[] = []
  const around = testSurroundings({
    provided: new Set(['greeter']),
    callService: (_call, signal) => {
      signals.push(signal)
      return new Promise(() => {})
    },
  })
  const plugin = definePlugin({
    contract: 1,
    name: 'user',
    version: '1.0.0',
    module: import.meta.url,
    options: z.unknown(),
    uses: { greeter },
    setup: ({ services }) => void services.greeter.greet('from the setup').catch(() => {}),
    handlers: (handler) => [
      handler('t', {
        payload: z.unknown(),
        result: z.unknown(),
        run: ({ services }) => services.greeter.greet('you'),
      }),
    ],
  })()
  const host = createInlineHost(plugin, around)
  const setup = new AbortController()
  await host.start(setup.signal)
  setup.abort()
  const { work, abort } = testWork('t', {})
  const outcome = host.perform(work)
  await expect.poll(() => signals).toHaveLength(2)
  abort('cancel')
  expect(await outcome).toEqual({ kind: 'aborted', reason: 'cancel', killed: false })
  expect(signals.map(({ aborted }) => aborted)).toEqual([false, true])
  await host.stop(1000)
  expect(signals[0]!.aborted).toBe(true)
})

test('a service is given the signal of each call', async () => {
  const { host } = await started({
    rest: {
      provides: (provide) => [
        provide(greeter, ({ signal }) => ({ greet: async (name) => `${name} ${String(signal.aborted)}` })),
      ],
    },
  })
  const call = { service: 'greeter', method: 'greet', args: ['aborted:'] }
  expect(await host.call(call, never)).toBe('aborted: false')
  expect(await host.call(call, AbortSignal.abort())).toBe('aborted: true')
})
