/* oxlint-disable typescript/unbound-method -- the members of a context are closures, made to be taken out */
import { expect, test } from 'vitest'
import { z } from 'zod'
import { started } from './echo-plugin.js'
import { WorkerError } from '../src/errors.js'
import { createInlineHost } from '../src/host/inline.js'
import { definePlugin, defineService } from '../src/plugin.js'
import { never, testSurroundings, testWork } from './host-fixtures.js'

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
