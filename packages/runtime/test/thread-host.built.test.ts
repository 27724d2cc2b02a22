import { afterEach, expect, test, vi } from 'vitest'
import { createThreadHost, type ThreadTiming } from '../dist/host/thread.js'
import { NonRetryableError } from '../src/errors.js'
import type { HostSurroundings, Outcome, PluginHost } from '../src/host/host.js'
import type { Plugin } from '../src/plugin.js'
import hosted from './fixtures/hosted.fixture.js'
import { never, testSurroundings, testWork } from './host-fixtures.js'

type Options = Parameters<typeof hosted>[0]

const hosts: PluginHost[] = []
afterEach(async () => {
  await Promise.all(hosts.splice(0).map((host) => host.stop(2_000).catch(() => {})))
})

interface Setting {
  readonly options?: Options
  readonly around?: Partial<HostSurroundings>
  readonly timing?: Partial<ThreadTiming>
  readonly plugin?: Partial<Plugin>
}

function hostOf({ options = {}, around = {}, timing = {}, plugin = {} }: Setting = {}) {
  const made = { ...hosted(options), ...plugin } as Plugin
  const surroundings = testSurroundings({ options: made.optionsSchema.parse(options), ...around })
  const host = createThreadHost(made, surroundings, timing)
  hosts.push(host)
  return { host, surroundings }
}

async function started(setting: Setting = {}) {
  const { host, surroundings } = hostOf(setting)
  await host.start(never)
  return { host, surroundings }
}

const performed = (host: PluginHost, type: string, payload: unknown = null) =>
  host.perform(testWork(type, payload).work)

function resultOf(outcome: Outcome): unknown {
  if (outcome.kind !== 'succeeded') throw new Error(`expected a success, got ${JSON.stringify(outcome)}`)
  return JSON.parse(outcome.result)
}

async function threadOf(host: PluginHost): Promise<unknown> {
  return (resultOf(await performed(host, 'echo')) as { threadId: unknown }).threadId
}

// ── tasks ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

test('performs a task in a thread, with the options that the plugin was made with', async () => {
  const { host } = await started({ options: { word: 'salut' } })
  expect(resultOf(await performed(host, 'echo', { a: [1, 'ü'] }))).toMatchObject({
    payload: { a: [1, 'ü'] },
    word: 'salut',
    inThread: true,
  })
})

test('parses, migrates and checks the payload in the thread', async () => {
  const { host } = await started()
  expect(await host.perform(testWork('typed', { a: 'abc' }).work)).toEqual({
    kind: 'succeeded',
    result: '{"n":3}',
  })
  expect(await host.perform(testWork('typed', { n: -1 }, { version: 2 }).work)).toMatchObject({
    kind: 'invalid_payload',
    error: { message: expect.stringContaining('n: expected at least 0') },
  })
  expect(await host.perform(testWork('typed', null, { payload: '{"broken' }).work)).toMatchObject({
    kind: 'invalid_payload',
  })
})

test('keeps a thread for the next task, and makes another only for tasks at the same time', async () => {
  const { host } = await started()
  const first = await threadOf(host)
  expect(await threadOf(host)).toBe(first)
  const [one, two] = await Promise.all([performed(host, 'sleeps', 50), performed(host, 'sleeps', 50)])
  expect(resultOf(one)).not.toBe(resultOf(two))
  expect([resultOf(one), resultOf(two)]).toContain(first)
})

test('ends idle threads beyond one, with their teardown', async () => {
  const { host, surroundings } = await started({ timing: { idleMs: 50 } })
  const outcomes = await Promise.all([1, 2, 3].map(() => performed(host, 'sleeps', 20)))
  const threads = outcomes.map(resultOf)
  await surroundings.logged('torn_down')
  expect(threads).toContain(await threadOf(host))
})

test.each([
  [
    'error',
    { permanent: false, delayMs: null, error: { code: 'handler_failed', message: 'TypeError: defect' } },
  ],
  ['permanent', { permanent: true, error: { code: 'bad_image', message: 'bad image' } }],
  ['retryable', { permanent: false, delayMs: 700 }],
  ['string', { error: { code: 'handler_failed', message: 'a string was thrown: text' } }],
  ['null', { error: { message: 'null was thrown' } }],
  ['function', { error: { message: 'a function was thrown' } }],
  ['circular_cause', { error: { message: 'round' } }],
])('tells what a handler threw: %s', async (what, outcome) => {
  const { host } = await started()
  expect(await performed(host, 'throws', what)).toMatchObject({ kind: 'threw', ...outcome })
})

test('refuses a circular result, and the thread goes on', async () => {
  const { host } = await started()
  const thread = await threadOf(host)
  expect(await performed(host, 'circular_result')).toMatchObject({
    kind: 'threw',
    error: { code: 'invalid_result' },
  })
  expect(await threadOf(host)).toBe(thread)
})

test('a snooze crosses', async () => {
  const { host } = await started()
  expect(await performed(host, 'snooze')).toEqual({ kind: 'snoozed', until: 4_000_000_000_000 })
})

test('progress, checkpoint, child tasks and metrics cross, the last of each before the outcome', async () => {
  const { host, surroundings } = await started()
  const told = testWork('reports', {}, { checkpoint: '{"page":3}' })
  expect(resultOf(await host.perform(told.work))).toEqual({
    before: { page: 3 },
    after: { page: 4 },
    child: { id: 'child-1', duplicate: false },
  })
  expect(told.said.progress.at(-1)).toEqual({ done: 10_000, total: 10_000, note: 'counting' })
  expect(told.said.progress.length).toBeLessThan(1_000)
  expect(told.said.checkpoints).toEqual(['{"page":4}'])
  expect(told.said.children).toEqual([
    { type: 'echo', payload: '{"from":"parent"}', options: { key: 'k', delay: '1m' } },
  ])
  const sum = (kind: string) =>
    surroundings.measured
      .filter(({ labels }) => labels['kind'] === kind)
      .reduce((total, { value }) => total + value, 0)
  expect([sum('a'), sum('b')]).toEqual([1_000, 5])
  expect(surroundings.measured.length).toBeLessThan(20)
  expect(surroundings.measured.filter(({ instrument }) => instrument === 'level').at(-1)?.value).toBe(7)
  const took = surroundings.measured.filter(({ instrument }) => instrument === 'took_seconds')
  expect(took.map(({ value }) => value)).toEqual([0.5, 1.5])
})

test('a refused checkpoint reaches the handler with its code', async () => {
  const { host } = await started()
  const told = testWork('checkpoint_refused', {})
  const lost = Object.assign(new Error('gone'), { code: 'lease_lost' })
  const reports = { ...told.work.reports, checkpoint: () => Promise.reject(lost) }
  expect(await host.perform({ ...told.work, reports })).toMatchObject({
    kind: 'threw',
    error: { message: 'gone' },
  })
})

test('log lines of a task cross, even with fields that cannot be cloned', async () => {
  const { host } = await started()
  const told = testWork('logs', {})
  await host.perform(told.work)
  expect(told.said.lines).toEqual([
    { level: 'warn', event: 'plain', fields: { a: 1 } },
    { level: 'error', event: 'odd', fields: { call: '[function]', b: 2 } },
  ])
})

test('nothing that a handler says after its end is taken for another task’s', async () => {
  const { host, surroundings } = await started()
  await performed(host, 'talks_late')
  const next = testWork('sleeps', 100)
  await host.perform(next.work)
  expect(next.said.progress.map(({ done }) => done)).toEqual([1])
  expect(next.said.children).toEqual([])
  const { fields } = await surroundings.logged('late_submit')
  expect(fields).toEqual({ message: 'submit was called after the delivery of the task had ended' })
})

// ── output ────────────────────────────────────────────────────────────────────────────────────────────────────────────

test('what a plugin prints goes to the log, line by line', async () => {
  const { host, surroundings } = await started()
  await performed(host, 'prints')
  expect(surroundings.lines.filter(({ event }) => event === 'plugin_output')).toEqual([
    { level: 'info', event: 'plugin_output', fields: { stream: 'stdout', line: 'printed' } },
    { level: 'info', event: 'plugin_output', fields: { stream: 'stdout', line: 'by the handler' } },
    { level: 'warn', event: 'plugin_output', fields: { stream: 'stderr', line: 'an error line' } },
  ])
})

test('a flood of printed lines is dropped and counted, and grows no memory', async () => {
  const { host, surroundings } = await started()
  const { lines } = resultOf(await performed(host, 'print_flood')) as { lines: number }
  const kept = surroundings.lines.filter(({ event }) => event === 'plugin_output').length
  const dropped = surroundings.lines
    .filter(({ event }) => event === 'log_lines_dropped')
    .reduce((sum, { fields }) => sum + Number(fields?.['dropped']), 0)
  // 10 kB a line: the thread’s heap limit of 64 MiB would not hold them
  expect(lines).toBeGreaterThan(10_000)
  expect(kept).toBeLessThan(4_000)
  expect(kept + dropped).toBeGreaterThanOrEqual(lines)
})

test('a flood of log lines is bounded too', async () => {
  const { host } = await started()
  const told = testWork('log_flood', {})
  expect(await host.perform(told.work)).toMatchObject({ kind: 'succeeded' })
  expect(told.said.lines.length).toBeLessThan(20_000)
})

// ── abort ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

test('a handler that heeds its signal ends by itself, and its thread is kept', async () => {
  const { host } = await started()
  const thread = await threadOf(host)
  const told = testWork('cooperative', {})
  const performing = host.perform(told.work)
  await told.begun
  told.abort('cancel')
  expect(await performing).toEqual({ kind: 'aborted', reason: 'cancel', killed: false })
  expect(await threadOf(host)).toBe(thread)
})

test.each([
  ['timeout', { kind: 'succeeded', result: '"done all the same"' }],
  ['lease_lost', { kind: 'aborted', reason: 'lease_lost', killed: false }],
] as const)('a success in spite of %s', async (reason, outcome) => {
  const { host } = await started()
  const told = testWork('succeeds_after_abort', {})
  const performing = host.perform(told.work)
  await told.begun
  told.abort(reason)
  expect(await performing).toEqual(outcome)
})

test.each(['loop', 'regex', 'microtask_loop'])(
  'kills a thread that computes and cannot hear: %s',
  async (type) => {
    const { host } = await started()
    const thread = await threadOf(host)
    // far longer than the test may take: only the missing acknowledgement ends it
    const told = testWork(type, {}, { graceMs: 600_000 })
    const performing = host.perform(told.work)
    await told.begun
    told.abort('timeout')
    expect(await performing).toEqual({ kind: 'aborted', reason: 'timeout', killed: true })
    expect(await threadOf(host)).not.toBe(thread)
  },
)

test('kills a thread whose handler hears but does not stop, after the grace', async () => {
  const { host } = await started()
  const told = testWork('ignores_signal', {}, { graceMs: 100 })
  const performing = host.perform(told.work)
  await told.begun
  told.abort('shutdown')
  expect(await performing).toEqual({ kind: 'aborted', reason: 'shutdown', killed: true })
})

test('gives no task to a thread that is being killed, even where its handler ended in the same moment', async () => {
  const { host } = await started()
  for (let round = 0; round < 24; round++) {
    // it ends some moments before, while, or after it is killed
    const told = testWork('sleeps', round % 4, { graceMs: 0 })
    const performing = host.perform(told.work)
    await told.begun
    told.abort('lease_lost')
    await performing
    expect(await performed(host, 'echo')).toMatchObject({ kind: 'succeeded' })
  }
})

test('leaves the grace to a handler that hears', async () => {
  const { host } = await started()
  const told = testWork('sleeps', 400, { graceMs: 60_000 })
  const performing = host.perform(told.work)
  await told.begun
  told.abort('shutdown')
  expect(await performing).toMatchObject({ kind: 'succeeded' })
})

test('a work that was aborted before it began never starts', async () => {
  const { host } = await started()
  const told = testWork('loop', {})
  told.abort('cancel')
  expect(await host.perform(told.work)).toEqual({ kind: 'aborted', reason: 'cancel', killed: false })
  expect(told.said.progress).toEqual([])
})

test('an abort ends the wait for a thread that is still setting up', async () => {
  const { host } = hostOf({ options: { setup: 'computes' } })
  const told = testWork('echo', {})
  const performing = host.perform(told.work)
  told.abort('timeout')
  expect(await performing).toEqual({ kind: 'aborted', reason: 'timeout', killed: false })
})

// ── crashes ───────────────────────────────────────────────────────────────────────────────────────────────────────────

test.each([
  ['out_of_memory', 'out of memory (heap limit 64 MiB)'],
  ['exit', 'exit with code 3'],
  ['throw_later', 'an uncaught error: TypeError: late defect, password=[redacted]'],
  ['reject_later', 'an uncaught error: nobody awaits this'],
])(
  'a thread that dies under its task is a crash, and the next task gets a new one: %s',
  async (type, why) => {
    const { host } = await started()
    const thread = await threadOf(host)
    expect(await performed(host, type)).toEqual({
      kind: 'crashed',
      error: { code: 'host_crashed', message: `the thread ended under the task: ${why}` },
    })
    expect(await threadOf(host)).not.toBe(thread)
  },
)

test('a crash takes no other task with it', async () => {
  const { host } = await started()
  const told = testWork('sleeps', 300)
  const other = host.perform(told.work)
  await told.begun
  await performed(host, 'exit')
  expect(await other).toMatchObject({ kind: 'succeeded' })
})

test('a thread that dies while it is idle is replaced, and logged', async () => {
  const { host, surroundings } = await started()
  expect(await performed(host, 'exit_later')).toMatchObject({ kind: 'succeeded' })
  expect(await surroundings.logged('plugin_thread_ended')).toMatchObject({
    fields: { plugin: '@acme/hosted', thread: 'task', why: 'exit with code 4' },
  })
  expect(await performed(host, 'echo')).toMatchObject({ kind: 'succeeded' })
})

test('a task thread that cannot be set up is an attempt, not a crash', async () => {
  const { host } = hostOf({ options: { setup: 'throws' } })
  expect(await performed(host, 'echo')).toEqual({
    kind: 'threw',
    error: {
      code: 'service_unavailable',
      message: 'the plugin could not be set up in its thread: no such disk',
    },
    permanent: false,
    delayMs: null,
  })
})

// ── start, health, stop ───────────────────────────────────────────────────────────────────────────────────────────────

test('start rejects with what the setup threw', async () => {
  const { host } = hostOf({ options: { setup: 'throws' } })
  await expect(host.start(never)).rejects.toMatchObject({ code: 'no_disk', message: 'no such disk' })
})

test('start rejects where the setup ends the thread', async () => {
  const { host } = hostOf({ options: { setup: 'exits' } })
  await expect(host.start(never)).rejects.toThrow('the thread of @acme/hosted ended: exit with code 9')
})

test.each(['hangs', 'computes'] as const)('start gives up a setup that %s with its signal', async (setup) => {
  const { host, surroundings } = hostOf({ options: { setup } })
  const controller = new AbortController()
  const starting = host.start(controller.signal)
  if (setup === 'hangs') await surroundings.logged('setting_up')
  controller.abort(new Error('gave up'))
  await expect(starting).rejects.toThrow('gave up')
})

test.each([
  ['file:///nowhere/plugin.js', 'Cannot find module'],
  ['data:text/javascript,export const x = 1', 'export default definePlugin'],
  ['data:text/javascript,export default () => ({ name: "other" })', 'needs a module of its own'],
])('start says what is wrong with the module %s', async (module, text) => {
  const { host } = hostOf({ plugin: { module } })
  await expect(host.start(never)).rejects.toThrow(text)
})

test('health is asked in the front thread, also while all tasks compute', async () => {
  const { host } = await started()
  const told = testWork('loop', {})
  const performing = host.perform(told.work)
  await told.begun
  await expect(host.health(never)).resolves.toBeUndefined()
  told.abort('cancel')
  await performing
  const sick = await started({ options: { word: 'sick' } })
  await expect(sick.host.health(never)).rejects.toThrow('the store is away')
})

test('health ends with its signal', async () => {
  const { host } = await started({ options: { word: 'hung' } })
  await expect(host.health(AbortSignal.timeout(50))).rejects.toThrow(/timeout/)
})

test('stop tears down each thread', async () => {
  const { host, surroundings } = await started()
  await performed(host, 'echo')
  await host.stop(10_000)
  expect(surroundings.lines.filter(({ event }) => event === 'torn_down')).toHaveLength(2)
  expect(await performed(host, 'echo')).toMatchObject({
    kind: 'threw',
    error: { code: 'service_unavailable' },
  })
})

test('stop rejects with what a teardown threw, and kills what hangs at the deadline', async () => {
  const throwing = await started({ options: { teardown: 'throws' } })
  await expect(throwing.host.stop(10_000)).rejects.toThrow('cannot close')
  const hanging = await started({ options: { teardown: 'hangs' } })
  await expect(hanging.host.stop(100)).resolves.toBeUndefined()
})

test('stop ends tasks that still run: as aborted, killed where they do not hear', async () => {
  const { host } = await started()
  const cooperative = testWork('cooperative', {})
  const computing = testWork('loop', {})
  const performing = [host.perform(cooperative.work), host.perform(computing.work)]
  await Promise.all([cooperative.begun, computing.begun])
  await host.stop(200)
  expect(await Promise.all(performing)).toEqual([
    { kind: 'aborted', reason: 'shutdown', killed: false },
    { kind: 'aborted', reason: 'shutdown', killed: true },
  ])
})

/** The front thread takes a while to be made anew. */
async function answersAgain(host: PluginHost): Promise<void> {
  const asked = () => host.query('ask', { name: 'you' }, never).catch(() => null)
  await expect.poll(asked, { timeout: 15_000 }).toMatchObject({ said: 'hello you' })
}

// ── queries ───────────────────────────────────────────────────────────────────────────────────────────────────────────

test('a query is answered by the front thread while the tasks compute', async () => {
  const { host } = await started()
  const told = testWork('loop', {})
  const performing = host.perform(told.work)
  await told.begun
  expect(await host.query('ask', { name: 'you' }, never)).toMatchObject({ said: 'hello you' })
  told.abort('cancel')
  await performing
})

test('a query is checked on both sides, and its faults cross', async () => {
  const { host } = await started()
  await expect(host.query('ask', { name: 5 }, never)).rejects.toMatchObject({
    code: 'invalid_input',
    faults: [{ path: 'name', message: 'expected string, got number' }],
  })
  await expect(host.query('ask_badly', 'wrong_output', never)).rejects.toMatchObject({ code: 'query_failed' })
  await expect(host.query('nope', {}, never)).rejects.toMatchObject({ code: 'unknown_query' })
  await expect(host.query('ask_badly', 'throws', never)).rejects.toMatchObject({
    code: 'query_failed',
    cause: { name: 'TypeError', message: 'defect' },
  })
})

test('what cannot be cloned is a clear error, either way', async () => {
  const { host } = await started()
  await expect(host.query('ask', { name: 'x', call: () => {} }, never)).rejects.toMatchObject({
    code: 'invalid_input',
    message: expect.stringContaining('the input cannot cross threads'),
  })
  await expect(host.query('ask_badly', 'function', never)).rejects.toThrow('the answer cannot cross threads')
})

test('queries in flight reject when the front thread dies, and it comes back', async () => {
  const { host, surroundings } = await started({ timing: { frontRestartMs: 500 } })
  const waiting = host.query('ask_slowly', 'waits', never)
  const deadly = host.query('ask_badly', 'exits', never)
  await expect(waiting).rejects.toMatchObject({ code: 'query_failed' })
  await expect(deadly).rejects.toMatchObject({
    code: 'query_failed',
    message: expect.stringContaining('exit with code 5'),
  })
  await expect(host.query('ask', { name: 'you' }, never)).rejects.toMatchObject({ code: 'query_failed' })
  await expect(host.health(never)).rejects.toThrow('exit with code 5')
  expect(await surroundings.logged('plugin_thread_ended')).toMatchObject({
    level: 'error',
    fields: { thread: 'front', why: 'exit with code 5', restart_in_ms: 500 },
  })
  await answersAgain(host)
})

test('a query ends at its time limit; a front thread that computes on for nobody is replaced', async () => {
  const { host, surroundings } = await started({ timing: { frontSilenceMs: 100, frontRestartMs: 10 } })
  await expect(host.query('ask_slowly', 'waits', never)).rejects.toThrow('within 100 ms')
  expect(await host.query('ask', { name: 'you' }, never)).toMatchObject({ said: 'hello you' })
  await expect(host.query('ask_slowly', 'computes', never)).rejects.toThrow('within 100 ms')
  expect(await surroundings.logged('plugin_thread_ended')).toMatchObject({
    fields: { why: 'it was killed, since it did not answer' },
  })
  await answersAgain(host)
})

// ── services ──────────────────────────────────────────────────────────────────────────────────────────────────────────

test('others call the service that the plugin provides', async () => {
  const { host } = await started()
  const call = (method: string, ...args: unknown[]) => host.call({ service: 'hosted', method, args }, never)
  expect(await call('greet', 'you')).toMatchObject({ text: 'hello you' })
  await expect(call('nope')).rejects.toMatchObject({ code: 'service_unavailable' })
  await expect(call('greet', () => {})).rejects.toMatchObject({
    code: 'invalid_input',
    message: expect.stringContaining('the arguments of hosted.greet cannot cross threads'),
  })
  await expect(call('greet', 'function')).rejects.toThrow('the answer of hosted.greet cannot cross threads')
})

test('who calls the service may stop waiting: the plugin’s signal aborts', async () => {
  const { host, surroundings } = await started()
  const caller = new AbortController()
  const reason = new Error('enough')
  const answer = host.call({ service: 'hosted', method: 'wait', args: [] }, caller.signal)
  await surroundings.logged('waiting')
  caller.abort(reason)
  await expect(answer).rejects.toBe(reason)
  await surroundings.logged('waited_enough')
})

test('a call of another plugin’s service ends with the task that made it, also where its thread is killed', async () => {
  const told: AbortSignal[] = []
  const around = {
    provided: new Set(['greeter']),
    callService: (_call: unknown, signal: AbortSignal) => {
      told.push(signal)
      return new Promise(() => {})
    },
  }
  const { host } = await started({ around })
  const cancelled = testWork('greets', 'you')
  const first = host.perform(cancelled.work)
  await vi.waitUntil(() => told.length === 1)
  cancelled.abort('cancel')
  expect(await first).toMatchObject({ kind: 'aborted', reason: 'cancel' })
  await vi.waitUntil(() => told[0]!.aborted)
  const computing = testWork('greets_and_computes', 'you')
  const second = host.perform(computing.work)
  await vi.waitUntil(() => told.length === 2)
  computing.abort('timeout')
  expect(await second).toMatchObject({ kind: 'aborted', killed: true })
  await vi.waitUntil(() => told[1]!.aborted)
})

test('the plugin calls another plugin’s service, and its errors come back with their kind', async () => {
  const around = {
    provided: new Set(['greeter']),
    callService: async ({ args: [name] }: { readonly args: readonly unknown[] }) => {
      if (name === 'permanent') throw new NonRetryableError('no such name', { code: 'no_name' })
      return name === 'function' ? () => {} : { from: 'main', name }
    },
  }
  const { host } = await started({ around })
  expect(resultOf(await performed(host, 'greets', { a: 1 }))).toEqual({ from: 'main', name: { a: 1 } })
  expect(await performed(host, 'greets', 'permanent')).toMatchObject({
    kind: 'threw',
    permanent: true,
    error: { code: 'no_name', message: 'no such name' },
  })
  expect(await performed(host, 'greets', 'function')).toMatchObject({
    kind: 'threw',
    error: { message: expect.stringContaining('the answer of greeter.greet cannot cross threads') },
  })
  expect(await performed(host, 'greets_with_function')).toMatchObject({
    kind: 'threw',
    error: { message: expect.stringContaining('the arguments of greeter.greet cannot cross threads') },
  })
})

test('an optional service that nobody provides is undefined in the thread too', async () => {
  const { host } = await started()
  expect(resultOf(await performed(host, 'greets', 'x'))).toBe('nobody')
})
