import { expect, test } from 'vitest'
import type { PluginHost } from '../src/host/host.js'
import { NonRetryableError } from '../src/errors.js'
import { never, testWork } from './host-fixtures.js'
import { started, performed, resultOf } from './hosted-threads.js'

/** The front thread takes a while to be made anew. */
async function answersAgain(host: PluginHost): Promise<void> {
  const asked = () => host.query('ask', { name: 'you' }, never).catch(() => null)
  await expect.poll(asked).toMatchObject({ said: 'hello you' })
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
  await expect.poll(() => told).toHaveLength(1)
  cancelled.abort('cancel')
  expect(await first).toMatchObject({ kind: 'aborted', reason: 'cancel' })
  await expect.poll(() => told[0]?.aborted).toBe(true)
  const computing = testWork('greets_and_computes', 'you')
  const second = host.perform(computing.work)
  await expect.poll(() => told).toHaveLength(2)
  computing.abort('timeout')
  expect(await second).toMatchObject({ kind: 'aborted', killed: true })
  await expect.poll(() => told[1]?.aborted).toBe(true)
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
