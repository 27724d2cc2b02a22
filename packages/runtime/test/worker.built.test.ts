import { once, EventEmitter } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  createLogger,
  createWorker,
  definePlugin,
  isWorkerError,
  memoryQueue,
  NonRetryableError,
  type QueueDriver,
  type WorkerError,
} from '@mcp-worker/runtime'
import { sqliteQueue } from '@mcp-worker/runtime/sqlite'
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { z } from 'zod'

const threads = () => process.getActiveResourcesInfo().filter((name) => name === 'MessagePort').length
const silent = createLogger({ destination: { write: () => {} } })

/** Handlers of every kind of end, and a plugin whose health and setup the test decides. */
function acme(word: { setup?: () => void; health?: () => void } = {}) {
  const events = new EventEmitter()
  const nothing = z.strictObject({})
  const plugin = definePlugin({
    contract: 1,
    name: '@acme/handler-words',
    version: '2.3.4',
    module: import.meta.url,
    options: z.strictObject({}),
    setup: async () => word.setup?.(),
    health: async () => word.health?.(),
    handlers: (handler) => [
      handler('shout', {
        payload: z.strictObject({ word: z.string() }),
        result: z.strictObject({ word: z.string() }),
        run: async ({ payload }) => ({ word: payload.word.toUpperCase() }),
      }),
      handler('refuse', {
        payload: nothing,
        result: nothing,
        run: async () => {
          throw new NonRetryableError('never', { code: 'NO_WORDS' })
        },
      }),
      handler('until_aborted', {
        payload: nothing,
        result: nothing,
        run: async ({ signal }) => {
          events.emit('until_aborted')
          await once(signal, 'abort')
          throw signal.reason
        },
      }),
      handler('deaf', {
        payload: nothing,
        result: nothing,
        run: async () => {
          events.emit('deaf')
          return new Promise<Record<string, never>>(() => {})
        },
      }),
    ],
    queries: (query) => [
      query('length_of', {
        input: z.strictObject({ word: z.string() }),
        output: z.strictObject({ length: z.int() }),
        run: async ({ input }) => ({ length: input.word.length }),
      }),
    ],
  })
  return { plugin: plugin({}), events }
}

let dataDir = ''
beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'mcp-worker-worker-'))
})
const onDisk = () => sqliteQueue({ path: join(dataDir, 'tasks.db') })
const failing = (message: string) => () => {
  throw new Error(message)
}
afterEach(() => rmSync(dataDir, { recursive: true, force: true }))

function made(queue: QueueDriver = memoryQueue(), word: Parameters<typeof acme>[0] = {}) {
  const { plugin, events } = acme(word)
  const worker = createWorker({
    plugins: [plugin],
    queue,
    dataDir,
    logger: silent,
    abortGrace: 300,
    healthCheckInterval: '1h',
  })
  onTestFinished(async () => void (await worker.stop({ timeoutMs: 1000 })))
  return { worker, events }
}

async function started(...args: Parameters<typeof made>) {
  const one = made(...args)
  await one.worker.start()
  return one
}

async function refusal(work: Promise<unknown>): Promise<WorkerError> {
  const error = await work.then(
    () => null,
    (reason: unknown) => reason,
  )
  if (isWorkerError(error)) return error
  throw new Error(`expected a WorkerError, got ${String(error)}`)
}

describe('submitting', () => {
  it('gives a handle whose result is the handler’s', async () => {
    const { worker } = await started()
    const task = await worker.submit('shout', { word: 'ja' })
    expect(task).toMatchObject({ type: 'shout', status: 'queued', duplicate: false })
    expect(await task.result()).toEqual({ word: 'JA' })
    expect(await worker.get(task.id)).toMatchObject({ status: 'succeeded', deliveries: 1, attempts: 0 })
  })

  it('the result of a failed task is its error, with the handler’s code', async () => {
    const { worker } = await started()
    const task = await worker.submit('refuse', {})
    await expect(task.result()).rejects.toThrow(/never/)
    expect(await worker.get(task.id)).toMatchObject({ status: 'failed', error: { code: 'NO_WORDS' } })
  })

  it('the result of a cancelled task rejects with cancelled', async () => {
    const { worker, events } = await started()
    const running = once(events, 'until_aborted')
    const task = await worker.submit('until_aborted', {})
    await running
    const result = refusal(task.result())
    expect(await worker.cancel(task.id)).toBe('requested')
    expect((await result).code).toBe('cancelled')
    expect((await refusal(worker.cancel(task.id))).code).toBe('already_final')
  })

  it('stops waiting for a result when its signal says so; the task runs on', async () => {
    const { worker, events } = await started()
    const running = once(events, 'until_aborted')
    const task = await worker.submit('until_aborted', {})
    await running
    const reason = new Error('enough')
    await expect(task.result({ signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
    expect(await worker.get(task.id)).toMatchObject({ status: 'running' })
  })

  it('of a bad payload all faults are told, with their paths', async () => {
    const { worker } = await started()
    const bad: object = { word: 7, more: true }
    const { code, faults } = await refusal(worker.submit('shout', bad as { word: string }))
    expect(code).toBe('invalid_payload')
    expect(faults.map(({ path }) => path).toSorted()).toEqual(['payload.more', 'payload.word'])
  })

  it('takes fractions of a millisecond as whole ones, and refuses a delay beyond all dates', async () => {
    const { worker } = await started(onDisk())
    await worker.pause('shout')
    const odd = await worker.submit('shout', { word: 'a' }, { timeout: 0.5, delay: 1000.5 })
    const task = await worker.get(odd.id)
    expect(task).toMatchObject({ status: 'scheduled', timeoutMs: 1 })
    expect(Number.isInteger(task?.runAt)).toBe(true)
    for (const option of [{ delay: 1e17 }, { delay: 1e300 }, { timeout: 1e300 }]) {
      const { code, faults } = await refusal(worker.submit('shout', { word: 'a' }, option))
      expect([code, faults[0]?.path]).toEqual(['invalid_task', Object.keys(option)[0]])
    }
  })

  it('takes all tasks of one call or none, and names the faults of each', async () => {
    const { worker } = await started()
    const good = { type: 'shout', payload: { word: 'a' } }
    const { faults } = await refusal(
      worker.submitMany([good, { type: 'shot', payload: {} }, { type: 'shout', payload: { word: 1 } }]),
    )
    expect(faults.map(({ path }) => path)).toEqual(['tasks[1]', 'tasks[2].payload.word'])
    expect(await worker.list({ limit: 10 })).toMatchObject({ tasks: [] })
    const accepted = await worker.submitMany([good, good])
    expect(accepted.map(({ duplicate }) => duplicate)).toEqual([false, false])
  })

  it('refuses before the start and after the stop, each with its reason', async () => {
    const { worker } = made()
    expect((await refusal(worker.submit('shout', { word: 'a' }))).code).toBe('queue_closed')
    expect(worker.notReady()).toEqual(['starting'])
    await worker.start()
    expect(worker.notReady()).toEqual([])
    const stopping = worker.stop()
    expect(worker.notReady()).toEqual(['draining'])
    const { code, retryAfterMs } = await refusal(worker.submit('shout', { word: 'a' }))
    expect([code, retryAfterMs]).toEqual(['draining', 5000])
    expect(await stopping).toBe('drained')
  })
})

describe('reading and steering', () => {
  it('waits until a task is final, or the time is up', async () => {
    const { worker, events } = await started()
    const running = once(events, 'until_aborted')
    const { id } = await worker.submit('until_aborted', {})
    await running
    expect(await worker.wait(id, { timeoutMs: 20 })).toMatchObject({ status: 'running' })
    const final = worker.wait(id, { timeoutMs: 60_000 })
    await worker.cancel(id)
    expect(await final).toMatchObject({ status: 'cancelled' })
    expect(await worker.wait('nobody', { timeoutMs: 60_000 })).toBeNull()
  })

  it('a pause of health checks outlives a health check', async () => {
    const { worker } = await started()
    await worker.pause('health_check')
    await worker.checkHealth()
    expect((await worker.counts()).paused).toEqual(['health_check'])
  })

  it('keeps a paused type waiting, and counts it', async () => {
    const { worker } = await started()
    await worker.pause('shout')
    const task = await worker.submit('shout', { word: 'a' })
    expect(await worker.counts()).toMatchObject({ byType: { shout: { queued: 1 } }, paused: ['shout'] })
    const paused = (await worker.types()).filter((type) => type.paused).map(({ type }) => type)
    expect(paused).toEqual(['shout'])
    await worker.resume('shout')
    expect(await task.result()).toEqual({ word: 'A' })
  })

  it('replays what failed, on purpose only', async () => {
    const { worker } = await started()
    const task = await worker.submit('refuse', {})
    await worker.wait(task.id, { timeoutMs: 60_000 })
    await worker.replay(task.id)
    expect(await worker.wait(task.id, { timeoutMs: 60_000 })).toMatchObject({ status: 'failed', attempts: 2 })
    const good = await worker.submit('shout', { word: 'a' })
    await good.result()
    expect((await refusal(worker.replay(good.id))).code).toBe('not_replayable')
    expect((await refusal(worker.replay('nobody'))).code).toBe('not_found')
  })

  it('answers queries, and tells of them and of its types', async () => {
    const { worker } = await started()
    expect(await worker.query('length_of', { word: 'four' })).toEqual({ length: 4 })
    const bad: object = { word: 4 }
    expect(await refusal(worker.query('length_of', bad as { word: string }))).toMatchObject({
      code: 'invalid_input',
      faults: [{ path: 'word' }],
    })
    expect(worker.queries()).toMatchObject([{ name: 'length_of', plugin: { version: '2.3.4' } }])
    const types = (await worker.types()).map(({ type }) => type)
    expect(types).toEqual(['shout', 'refuse', 'until_aborted', 'deaf', 'health_check'])
  })

  it('a failing plugin makes it unhealthy, by name', async () => {
    const word = { health: () => {} }
    const { worker } = await started(memoryQueue(), word)
    expect(worker.lastHealth()).toMatchObject({ ok: true })
    word.health = failing('no words left')
    const report = await worker.checkHealth()
    const failed = report.checks.filter(({ ok }) => !ok)
    expect(failed).toEqual([
      { name: 'plugin:@acme/handler-words', ok: false, detail: { error: 'no words left' } },
    ])
    expect(worker.lastHealth()).toBe(report)
  })
})

describe('metrics', () => {
  it('every known type begins at 0, so that a first failure is an increase', async () => {
    const { worker } = await started()
    const text = await worker.registry.metrics()
    for (const line of [
      'mcp_worker_tasks_processed_total{task_type="shout",status="failed"} 0',
      'mcp_worker_tasks_failed_total{task_type="refuse"} 0',
      'mcp_worker_host_crashes_total{task_type="health_check"} 0',
      'mcp_worker_task_duration_seconds_count{task_type="shout"} 0',
    ]) {
      expect(text).toContain(`${line}\n`)
    }
  })

  it('the first scrape tells already what the queue holds and what the disks have left', async () => {
    const { worker } = await started()
    await worker.pause('shout')
    await worker.submitMany([
      { type: 'shout', payload: { word: 'a' } },
      { type: 'shout', payload: { word: 'b' }, delay: '1h' },
    ])
    const text = await worker.registry.metrics()
    expect(text).toContain('mcp_worker_queue_tasks{task_type="shout",status="queued"} 1\n')
    expect(text).toContain('mcp_worker_queue_tasks{task_type="shout",status="scheduled"} 1\n')
    expect(text).toMatch(/^mcp_worker_disk_free_bytes\{disk="data"\} [1-9]\d+$/m)
    expect(text).toMatch(/^mcp_worker_disk_free_bytes\{disk="temp"\} [1-9]\d+$/m)
  })

  it('the first scrape tells of tasks that this worker cannot run', async () => {
    const { worker } = await started(onDisk())
    await worker.submit('shout', { word: 'later' }, { delay: '1h' })
    await worker.stop()
    const other = createWorker({ plugins: [], queue: onDisk(), dataDir, logger: silent })
    onTestFinished(async () => void (await other.stop({ timeoutMs: 1000 })))
    await other.start()
    const text = await other.registry.metrics()
    expect(text).toContain('mcp_worker_tasks_unroutable{task_type="shout"} 1\n')
  })

  it('a queue that fails takes no other figure along', async () => {
    const queue = memoryQueue()
    const { worker } = await started(queue)
    queue.counts = () => Promise.reject(new Error('gone'))
    const text = await worker.registry.metrics()
    expect(text).not.toMatch(/^mcp_worker_queue_oldest_ready_seconds/m)
    expect(text).toContain('mcp_worker_active_tasks 0\n')
  })
})

describe('starting and stopping', () => {
  it('a start that is refused leaves no thread behind', async () => {
    const { plugin } = acme()
    const logger = createLogger({ destination: { write: () => {} } })
    const twice = createWorker({ plugins: [plugin, plugin], queue: onDisk(), dataDir, logger })
    const before = threads()
    expect((await refusal(twice.start())).code).toBe('handshake_failed')
    expect(threads()).toBe(before)
  })

  it('a schedule whose task would be refused stops the start, and leaves no thread behind', async () => {
    const { plugin } = acme()
    const schedules = [{ name: 'nightly', type: 'shout', payload: { wort: 'ja' }, cron: '0 3 * * *' }]
    const worker = createWorker({ plugins: [plugin], queue: onDisk(), dataDir, logger: silent, schedules })
    const before = threads()
    expect(await refusal(worker.start())).toMatchObject({
      code: 'bad_configuration',
      faults: [{ path: 'schedules[0].payload.word' }, { path: 'schedules[0].payload.wort' }],
    })
    expect(threads()).toBe(before)
  })

  it('a schedule fires, and does not while the worker drains', async () => {
    const { plugin, events } = acme()
    const schedules = [{ name: 'often', type: 'shout', payload: { word: 'ja' }, every: '1s' } as const]
    const queue = memoryQueue()
    const fired = new EventEmitter()
    const submit = queue.submit.bind(queue)
    let submits = 0
    queue.submit = async (tasks) => {
      submits++
      const answers = await submit(tasks)
      fired.emit('submit', tasks[0]?.id)
      return answers
    }
    const worker = createWorker({
      plugins: [plugin],
      queue,
      dataDir,
      logger: silent,
      abortGrace: 300,
      schedules,
    })
    onTestFinished(async () => void (await worker.stop({ timeoutMs: 1000 })))
    await worker.start()
    const [id] = (await once(fired, 'submit')) as [string]
    expect(await worker.wait(id, { timeoutMs: 10_000 })).toMatchObject({ status: 'succeeded' })
    const running = once(events, 'deaf')
    await worker.submit('deaf', {})
    await running
    // longer than the interval: the handler ends at no signal
    const stopping = worker.stop({ timeoutMs: 2500 })
    const until = submits
    expect(await stopping).toBe('forced')
    expect(submits).toBe(until)
  })

  it('a plugin whose setup fails stops the start, and the queue is free again', async () => {
    const failed = await refusal(made(onDisk(), { setup: failing('no bucket') }).worker.start())
    expect(failed.code).toBe('handshake_failed')
    expect(failed.message).toContain('@acme/handler-words: its setup failed: no bucket')
    const { worker } = await started(onDisk())
    expect(worker.notReady()).toEqual([])
  })

  it('hands back what heeds its signal, uncharged: released', async () => {
    const { worker, events } = await started(onDisk())
    const running = once(events, 'until_aborted')
    const { id } = await worker.submit('until_aborted', {}, { maxAttempts: 1 })
    await running
    expect(await worker.stop({ timeoutMs: 500 })).toBe('released')
    const again = await started(onDisk())
    expect(await again.worker.get(id)).toMatchObject({ attempts: 0, releases: 1 })
  })

  it('who waits for a result is told when the worker stops first, and a stopped worker does not start', async () => {
    const { worker, events } = await started()
    const begun = once(events, 'deaf')
    const task = await worker.submit('deaf', {})
    await begun
    const result = refusal(task.result())
    await worker.stop({ timeoutMs: 1000 })
    expect((await result).code).toBe('draining')
    const never = made().worker
    await never.stop()
    expect((await refusal(never.start())).code).toBe('draining')
  })

  it('leaves behind what does not: forced, and uncharged too', async () => {
    const { worker, events } = await started(onDisk())
    const running = once(events, 'deaf')
    const { id } = await worker.submit('deaf', {}, { maxAttempts: 1 })
    await running
    const stops = [worker.stop({ timeoutMs: 500 }), worker.stop({ timeoutMs: 500 })]
    expect(await Promise.all(stops)).toEqual(['forced', 'forced'])
    const again = await started(onDisk())
    expect(await again.worker.get(id)).toMatchObject({ attempts: 0, releases: 1 })
  })

  it('wrong options are all told at once', async () => {
    const wrong: object = { concurrency: 0, taskTimeout: 'soon', abortGrace: '5x' }
    const make = async () => createWorker({ plugins: [], queue: memoryQueue(), ...wrong })
    const { faults } = await refusal(make())
    expect(faults.map(({ path }) => path)).toEqual(['concurrency', 'taskTimeout', 'abortGrace'])
  })
})
