import { expect, test } from 'vitest'
import { z } from 'zod'
import { isWorkerError, type Fault } from '../src/errors.js'
import { handshake } from '../src/handshake.js'
import {
  definePlugin,
  defineService,
  type HandlerSpec,
  type HostKind,
  type PayloadSpec,
  type Plugin,
} from '../src/plugin.js'
import { newestVersion, payloadSchemas } from '../src/payload-versions.js'
import { taskStore } from '../src/task-store.js'

type Spec = HandlerSpec<PayloadSpec, z.ZodType, unknown, unknown>

interface Sketch {
  readonly name?: string
  readonly types?: readonly string[]
  readonly queries?: readonly string[]
  readonly spec?: object
  readonly options?: z.ZodType
  readonly given?: unknown
  readonly host?: HostKind
  readonly module?: string
  readonly uses?: Readonly<Record<string, unknown>>
  readonly provides?: readonly string[]
  readonly rest?: object
}

const empty = z.strictObject({})

function plugin(sketch: Sketch = {}): Plugin {
  const spec = { payload: empty, result: empty, run: () => ({}), ...sketch.spec } as Spec
  const definition = {
    contract: 1,
    name: sketch.name ?? '@acme/x',
    version: '1.0.0',
    module: sketch.module ?? import.meta.url,
    options: sketch.options ?? z.unknown(),
    host: sketch.host ?? 'inline',
    uses: sketch.uses ?? {},
    provides: (provide: (token: unknown, implement: unknown) => unknown) =>
      (sketch.provides ?? []).map((service) => provide(defineService(service), () => ({}))),
    handlers: (handler: (type: string, spec: Spec) => unknown) =>
      (sketch.types ?? []).map((type) => handler(type, spec)),
    queries: (query: (name: string, spec: object) => unknown) =>
      (sketch.queries ?? []).map((name) => query(name, { input: empty, output: empty, run: () => ({}) })),
  }
  const factory: (given?: unknown) => Plugin = definePlugin(definition as never)
  return { ...factory(sketch.given), ...sketch.rest }
}

function faultsOf(
  plugins: readonly unknown[],
  hosts: Readonly<Record<string, HostKind>> = {},
): readonly Fault[] {
  try {
    handshake(plugins, { hosts })
  } catch (error) {
    if (isWorkerError(error) && error.code === 'handshake_failed') return error.faults
    throw error
  }
  return []
}

/** The one fault there is. */
function faultOf(...given: Parameters<typeof faultsOf>): Fault {
  const faults = faultsOf(...given)
  expect(faults).toHaveLength(1)
  return faults[0] as Fault
}

test('answers the plugins with their checked options and hosts', () => {
  const options = z.strictObject({ bucket: z.string(), size: z.int().default(64) })
  const x = plugin({ options, given: { bucket: 'b' }, types: ['thumbnail'] })
  expect(handshake([x]).plugins).toEqual([{ plugin: x, host: 'inline', options: { bucket: 'b', size: 64 } }])
})

test('the operator’s word on the host wins', () => {
  const { plugins } = handshake([plugin({ name: 'a' }), plugin({ name: 'b', host: 'thread' })], {
    hosts: { a: 'thread', b: 'inline' },
  })
  expect(plugins.map(({ host }) => host)).toEqual(['thread', 'inline'])
})

test('lists all problems at once', () => {
  const faults = faultsOf(
    [
      42,
      plugin({ name: 'a', types: ['Bad', 'dup'], uses: { s: defineService('missing') } }),
      plugin({ name: 'b', types: ['dup'], options: z.strictObject({ x: z.int() }), given: { x: 'y', z: 1 } }),
    ],
    { c: 'thread' },
  )
  expect(faults.map(({ path }) => path).toSorted()).toEqual([
    'a.handlers.Bad',
    'a.uses.s',
    'b.handlers.dup',
    'b.options.x',
    'b.options.z',
    'hosts.c',
    'plugins[0]',
  ])
})

test.each([
  [undefined, 'got nothing'],
  ['@acme/x', 'got string'],
  [() => plugin(), 'call it with its options'],
  [{ default: () => plugin() }, 'import its default export'],
  [{}, 'definePlugin'],
  [{ ...plugin(), handlers: null }, 'definePlugin'],
  [{ ...plugin(), contract: 2 }, 'upgrade @mcp-worker/runtime'],
  [{ ...plugin(), contract: 0 }, 'upgrade @acme/x'],
])('says what came in place of a plugin (%#)', (given, text) => {
  expect(faultOf([given]).message).toContain(text)
})

test('names every fault of the options by its path', () => {
  const options = z.strictObject({ bucket: z.string(), sizes: z.array(z.int()) })
  expect(faultsOf([plugin({ options, given: { sizes: [1, 'x'], bukket: 1 } })])).toEqual([
    { path: '@acme/x.options.bucket', message: 'expected string, got nothing' },
    { path: '@acme/x.options.sizes[1]', message: 'expected number, got string' },
    { path: '@acme/x.options.bukket', message: 'unknown key' },
  ])
})

test('refuses an options schema that is asynchronous or throws', () => {
  expect(faultOf([plugin({ options: z.unknown().refine(async () => true) })]).message).toContain(
    'must be synchronous',
  )
  const throwing = z.unknown().transform(() => {
    throw new Error('defect')
  })
  expect(faultOf([plugin({ options: throwing })]).message).toContain('defect')
})

test('refuses two plugins with one name, type or query', () => {
  const a = plugin({ name: 'a', types: ['t'], queries: ['q'] })
  const b = plugin({ name: 'b', types: ['t'], queries: ['q'] })
  expect(faultsOf([a, b]).map(({ path }) => path)).toEqual(['b.handlers.t', 'b.queries.q'])
  expect(faultOf([plugin({ name: 'a' }), plugin({ name: 'a' })]).message).toContain('taken by plugins[0]')
})

test('a type and a query may share a name', () => {
  expect(faultsOf([plugin({ types: ['x'], queries: ['x'] })])).toEqual([])
})

test.each(['Thumb', '1x', '', 'a b', 'a'.repeat(65), 'ümlaut', '_a', 'a\n'])(
  'refuses the type and query name %j',
  (name) => {
    expect(faultsOf([plugin({ types: [name], queries: [name] })])).toHaveLength(2)
  },
)

test('keeps health_check for the runtime', () => {
  expect(faultOf([plugin({ types: ['health_check'] })]).path).toBe('@acme/x.handlers.health_check')
})

test.each([
  [{ 1: empty, 3: empty }, { 1: () => ({}) }, ['@acme/x.handlers.t.payload']],
  [{ 1: empty, 2: empty }, {}, ['@acme/x.handlers.t.migrate.1']],
  [{ 1: empty, 2: empty }, { 1: 'x' }, ['@acme/x.handlers.t.migrate.1']],
  [{ 1: empty, 2: empty }, { 1: () => ({}), 2: () => ({}) }, ['@acme/x.handlers.t.migrate.2']],
  [{ 0: empty, 1: empty }, {}, ['@acme/x.handlers.t.payload']],
  [{ '1.5': empty }, {}, ['@acme/x.handlers.t.payload']],
  [{ v1: empty }, {}, ['@acme/x.handlers.t.payload']],
  [{}, {}, ['@acme/x.handlers.t.payload']],
  [null, {}, ['@acme/x.handlers.t.payload']],
  [{ 1: 'text' }, {}, ['@acme/x.handlers.t.payload.1']],
  [{ 2: empty, 3: empty, 4: empty }, { 2: () => ({}), 3: () => ({}) }, []],
])('checks the versions of a payload and their migrations (%#)', (payload, migrate, paths) => {
  const faults = faultsOf([plugin({ types: ['t'], spec: { payload, migrate } })])
  expect(faults.map(({ path }) => path)).toEqual(paths)
})

const paths = (spec: object) => faultsOf([plugin({ types: ['t'], spec })]).map(({ path }) => path)

test('refuses a schema that JSON cannot carry, on the side that others see', () => {
  const toDate = z.iso.datetime().transform((text) => new Date(text))
  expect(paths({ payload: z.object({ at: z.date() }) })).toEqual(['@acme/x.handlers.t.payload'])
  expect(paths({ payload: { 1: z.bigint() } })).toEqual(['@acme/x.handlers.t.payload.1'])
  expect(paths({ payload: toDate })).toEqual([])
  expect(paths({ result: toDate })).toEqual(['@acme/x.handlers.t.result'])
  expect(paths({ result: z.void() })).toEqual(['@acme/x.handlers.t.result'])
  expect(paths({ result: undefined })).toEqual(['@acme/x.handlers.t.result'])
})

test.each([
  [{ timeout: '24' }, 'timeout'],
  [{ timeout: 0 }, 'timeout'],
  [{ timeout: '30d' }, 'timeout'],
  [{ concurrency: 0 }, 'concurrency'],
  [{ concurrency: 1.5 }, 'concurrency'],
  [{ retry: { maxAttempts: 0 } }, 'retry.maxAttempts'],
  [{ retry: { maxAttempts: '3' } }, 'retry.maxAttempts'],
  [{ retry: { minDelay: '-5m' } }, 'retry.minDelay'],
  [{ retry: { minDelay: '2m', maxDelay: '1m' } }, 'retry'],
  [{ run: undefined }, 'run'],
])('checks the limits of a handler: %j', (spec, member) => {
  expect(faultOf([plugin({ types: ['t'], spec })]).path).toBe(`@acme/x.handlers.t.${member}`)
})

test('a thread needs options that can be cloned and a module that can be imported', () => {
  const given = { log: () => {} }
  expect(faultsOf([plugin({ given })])).toEqual([])
  expect(faultOf([plugin({ given, host: 'thread' })])).toMatchObject({ path: '@acme/x.options' })
  expect(faultOf([plugin({ given })], { '@acme/x': 'thread' })).toMatchObject({ path: '@acme/x.options' })
  const options = z.unknown().transform(() => ({ made: () => {} }))
  expect(faultOf([plugin({ options, host: 'thread' })])).toMatchObject({ path: '@acme/x.options' })
  expect(faultOf([plugin({ module: './x.js', host: 'thread' })])).toMatchObject({ path: '@acme/x.module' })
  expect(faultOf([plugin({ module: 'https://x/y.js', host: 'thread' })])).toMatchObject({
    path: '@acme/x.module',
  })
  expect(faultOf([plugin({ host: 'thread', rest: { threadMemoryMb: 0 } })])).toMatchObject({
    path: '@acme/x.threadMemoryMb',
  })
})

test('an unknown plugin in the hosts comes with the nearest name', () => {
  expect(faultOf([plugin()], { '@acme/y': 'thread' }).message).toContain('did you mean @acme/x?')
  expect(faultOf([plugin()], { elsewhere: 'thread' }).message).toContain('known are @acme/x')
})

test('refuses a host that there is not', () => {
  expect(faultOf([plugin()], { '@acme/x': 'process' as HostKind })).toMatchObject({ path: '@acme/x.host' })
})

// ── services ──────────────────────────────────────────────────────────────────────────────────────────────────────────

test.each(['0s', '5 parsecs', -1])('refuses %s as the time for a setup', (setupTimeout) => {
  const faults = faultsOf([plugin({ rest: { setupTimeout } })])
  expect(faults).toMatchObject([{ path: '@acme/x.setupTimeout' }])
})

test('refuses a plugin that provides a service of the worker itself, and lets plugins use it', () => {
  expect(faultsOf([plugin({ name: 'a', uses: { tasks: taskStore } })])).toEqual([])
  const faults = faultsOf([plugin({ name: 'b', provides: [taskStore.service] })])
  expect(faults).toMatchObject([{ path: `b.provides.${taskStore.service}` }])
})

test('refuses a used service that nobody provides, unless it is optional', () => {
  expect(faultOf([plugin({ uses: { e: defineService('embedder') } })])).toMatchObject({
    path: '@acme/x.uses.e',
  })
  expect(faultsOf([plugin({ uses: { e: defineService('embedder').optional() } })])).toEqual([])
})

test('refuses two providers of one service', () => {
  const faults = faultsOf([plugin({ name: 'a', provides: ['s'] }), plugin({ name: 'b', provides: ['s'] })])
  expect(faults).toMatchObject([{ path: 'b.provides.s' }])
})

test('sets providers up before those that use them, else in the given order', () => {
  const { plugins } = handshake([
    plugin({ name: 'a', uses: { s: defineService('s') } }),
    plugin({ name: 'b' }),
    plugin({ name: 'c', provides: ['s'], uses: { t: defineService('t').optional() } }),
    plugin({ name: 'd', provides: ['t'] }),
  ])
  expect(plugins.map(({ plugin: { name } }) => name)).toEqual(['d', 'c', 'a', 'b'])
})

test('refuses services in a circle, and names it', () => {
  const a = plugin({ name: 'a', provides: ['a'], uses: { b: defineService('b') } })
  const b = plugin({ name: 'b', provides: ['b'], uses: { a: defineService('a').optional() } })
  expect(faultOf([a, b]).message).toContain('a → b → a')
  expect(
    faultOf([plugin({ name: 'a', provides: ['a'], uses: { a: defineService('a') } })]).message,
  ).toContain('a → a')
})

test('every fault says what to do', () => {
  const faults = faultsOf([
    () => 1,
    plugin({ name: 'a', types: ['X'], spec: { payload: z.date(), timeout: -1 } }),
    plugin({ name: 'b', host: 'thread', given: () => {}, uses: { s: defineService('s') } }),
  ])
  expect(faults).toHaveLength(6)
  for (const { message } of faults) expect(message).toMatch(/:|like/)
})

// ── versions ──────────────────────────────────────────────────────────────────────────────────────────────────────────

test('a single schema is version 1; of several the largest is the newest', () => {
  const versions = { 10: z.int(), 9: z.string() }
  expect([...payloadSchemas(empty)]).toEqual([[1, empty]])
  expect(newestVersion(empty)).toBe(1)
  expect([...payloadSchemas(versions).keys()]).toEqual([9, 10])
  expect(newestVersion(versions)).toBe(10)
})
