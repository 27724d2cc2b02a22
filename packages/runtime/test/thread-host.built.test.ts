import { expect, test } from 'vitest'
import { never, testWork } from './host-fixtures.js'
import { hostOf, started, performed, resultOf, threadOf } from './hosted-threads.js'

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
