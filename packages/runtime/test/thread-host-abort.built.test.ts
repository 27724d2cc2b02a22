import { expect, test } from 'vitest'
import { testWork } from './host-fixtures.js'
import { hostOf, started, performed, threadOf } from './hosted-threads.js'

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
