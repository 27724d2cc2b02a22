import { EventEmitter, once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import {
  createLogger,
  createWorker,
  definePlugin,
  memoryQueue,
  type QueueDriver,
  WorkerError,
  type WorkerFor,
} from '@mcp-worker/runtime'
import { sqliteQueue } from '@mcp-worker/runtime/sqlite'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { z } from 'zod'

/** Handlers that run until the test lets them end, and a record of how many ran at once. */
function gates() {
  const events = new EventEmitter()
  const held: { readonly type: string; readonly end: (result: Record<string, never>) => void }[] = []
  const most = { together: 0, capped: 0 }
  const count = (type: string) => held.filter((each) => each.type === type).length
  return {
    most,
    held,
    run: (type: string) => () =>
      new Promise<Record<string, never>>((end) => {
        held.push({ type, end })
        most.together = Math.max(most.together, held.length)
        most.capped = Math.max(most.capped, count('capped'))
        events.emit('started')
      }),
    endAll(): number {
      const ending = held.splice(0)
      for (const { end } of ending) end({})
      return ending.length
    },
    async until(running: number): Promise<void> {
      while (held.length !== running) await once(events, 'started')
    },
  }
}

function plugin(run: ReturnType<typeof gates>['run']) {
  const nothing = z.strictObject({})
  return definePlugin({
    contract: 1,
    name: '@test/loop',
    version: '1.0.0',
    module: import.meta.url,
    options: nothing,
    handlers: (handler) => [
      handler('free', { payload: nothing, result: nothing, run: run('free') }),
      handler('other', { payload: nothing, result: nothing, run: run('other') }),
      handler('capped', { payload: nothing, result: nothing, concurrency: 2, run: run('capped') }),
      handler('aborted', {
        payload: nothing,
        result: nothing,
        run: async ({ signal }) => {
          await once(signal, 'abort')
          throw signal.reason
        },
      }),
    ],
  })()
}

let directory = ''
let worker: WorkerFor<readonly [ReturnType<typeof plugin>]> | null = null

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'mcp-worker-loop-'))
})

afterEach(async () => {
  await worker?.stop({ timeoutMs: 2000 })
  rmSync(directory, { recursive: true, force: true })
})

const QUEUES: Record<string, () => QueueDriver> = {
  memory: () => memoryQueue(),
  sqlite: () => sqliteQueue({ path: join(directory, 'tasks.db') }),
}

describe.each(Object.keys(QUEUES))('the loop on the %s queue', (name) => {
  async function started(concurrency: number) {
    const gate = gates()
    const destination = { write: () => {} }
    const logger = createLogger({ destination })
    const queue = QUEUES[name]!()
    const one = createWorker({ plugins: [plugin(gate.run)], queue, concurrency, dataDir: directory, logger })
    worker = one
    await one.start()
    const submit = async (type: 'free' | 'other' | 'capped', count: number) =>
      Promise.all(Array.from({ length: count }, () => one.submit(type, {})))
    return { gate, submit, worker: one }
  }

  it('fills its slots, and never takes more than it has', async () => {
    const { gate, submit } = await started(5)
    const tasks = await submit('free', 12)
    const results = Promise.all(tasks.map((task) => task.result()))
    for (let left = 12; left > 0; left -= gate.endAll()) await gate.until(Math.min(5, left))
    await results
    expect(gate.most.together).toBe(5)
  })

  it('shares its slots among types, and never takes more than it has', async () => {
    const { gate, submit } = await started(5)
    const tasks = (await Promise.all([submit('free', 12), submit('other', 12)])).flat()
    const results = Promise.all(tasks.map((task) => task.result()))
    for (let left = 24; left > 0; left -= gate.endAll()) await gate.until(Math.min(5, left))
    await results
    expect(gate.most.together).toBe(5)
  })

  // a claim waits for 10 s: unless the waiting ones are called back, the type is asked for as late as that
  it(
    'keeps the cap of a type, and asks for the type again when a place comes free',
    { timeout: 8000 },
    async () => {
      const { gate, submit } = await started(6)
      await submit('capped', 2)
      await gate.until(2)
      // both claims wait for the other type now
      const later = await submit('capped', 2)
      gate.endAll()
      await gate.until(2)
      gate.endAll()
      await Promise.all(later.map((task) => task.result()))
      expect(gate.most.capped).toBe(2)
    },
  )

  it('hears of a cancel that comes with the submit', async () => {
    const { worker: one } = await started(1)
    const waits = await one.submit('aborted', {})
    await one.cancel(waits.id)
    await one.wait(waits.id, { timeoutMs: 30_000 })
    // now its claims wait, and what is submitted is handed to them at once
    const [submitted, cancelled] = [one.submit('aborted', {}, { id: 'both' }), one.cancel('both')]
    await Promise.all([submitted, cancelled])
    expect(await one.wait('both', { timeoutMs: 30_000 })).toMatchObject({ status: 'cancelled' })
  })

  it('checks its health as a task while all slots are taken', async () => {
    const { gate, submit, worker: one } = await started(2)
    const held = await submit('free', 2)
    await gate.until(2)
    const [check] = await one.submitMany([{ type: 'health_check', payload: {} }])
    const ended = await one.wait(check!.id, { timeoutMs: 30_000 })
    expect(ended?.status).toBe('succeeded')
    gate.endAll()
    await Promise.all(held.map((task) => task.result()))
  })

  it('ends while its claims wait for work', async () => {
    const { worker: one } = await started(4)
    expect(await one.stop({ timeoutMs: 5000 })).toBe('drained')
  })
})

it(
  'goes on beside what is in hand when a suspect that it waited for is gone',
  { timeout: 15_000 },
  async () => {
    const path = join(directory, 'tasks.db')
    const gate = gates()
    const logger = createLogger({ destination: { write: () => {} } })
    const one = createWorker({
      plugins: [plugin(gate.run)],
      queue: sqliteQueue({ path }),
      dataDir: directory,
      logger,
    })
    worker = one
    await one.start()
    await one.submit('free', {})
    await gate.until(1)
    await one.pause('other')
    const suspect = await one.submit('other', {})
    const db = new DatabaseSync(path, { timeout: 5000 })
    db.exec(`UPDATE tasks SET suspect = 1 WHERE id = '${suspect.id}'`)
    db.close()
    await one.resume('other')
    await expect.poll(async () => (await one.counts()).suspects).toBe(1)
    // it was told of the suspect when the type went on, and waits to be alone with it
    const waits = await one.submit('free', {})
    await one.cancel(suspect.id)
    await gate.until(2)
    expect(gate.held).toHaveLength(2)
    gate.endAll()
    await waits.result()
  },
)

// as above: a claim for other types must not hold the suspects up for as long as it waits
it(
  'runs suspects alone, and then the rest, while another type has free places',
  { timeout: 8000 },
  async () => {
    const path = join(directory, 'tasks.db')
    const open = async (run: (type: string) => () => Promise<Record<string, never>>) => {
      const logger = createLogger({ destination: { write: () => {} } })
      const one = createWorker({
        plugins: [plugin(run)],
        queue: sqliteQueue({ path }),
        dataDir: directory,
        logger,
      })
      worker = one
      await one.start()
      return one
    }
    const first = await open(() => async () => ({}))
    await first.pause('capped')
    const tasks = await Promise.all(Array.from({ length: 9 }, () => first.submit('capped', {})))
    await first.stop({ timeoutMs: 2000 })
    // what a reaper leaves of tasks that were in hand when their process died
    const db = new DatabaseSync(path)
    db.exec('UPDATE tasks SET suspect = 1 WHERE seq % 3 = 0')
    db.close()
    const beside: number[] = []
    let running = 0
    const second = await open(() => async () => {
      beside.push(running++)
      await new Promise(setImmediate)
      running--
      return {}
    })
    await second.resume('capped')
    const ended = await Promise.all(tasks.map(({ id }) => second.wait(id, { timeoutMs: 30_000 })))
    expect(ended.map((task) => task?.status)).toEqual(tasks.map(() => 'succeeded'))
    expect(beside.filter((others) => others === 0).length).toBeGreaterThanOrEqual(3)
  },
)

/** Answers claims only when told, and fails to settle once, as for a neighbour in a long transaction. */
function awayAtRelease(inner: QueueDriver) {
  const events = new EventEmitter()
  const answered = once(events, 'answer')
  let failures = 1
  const queue: QueueDriver = {
    ...inner,
    async claim(request) {
      const answer = await inner.claim(request)
      if (answer.deliveries.length > 0) {
        events.emit('claimed')
        await answered
      }
      return answer
    },
    async settle(fence, settlement) {
      if (settlement.kind === 'release' && failures-- > 0)
        throw new WorkerError('store_unavailable', 'another process held the write lock for too long')
      return inner.settle(fence, settlement)
    },
  }
  return { queue, claimed: once(events, 'claimed'), answer: () => events.emit('answer') }
}

function stored(path: string, id: string) {
  const db = new DatabaseSync(path, { readOnly: true })
  const row = db.prepare('SELECT status, releases FROM tasks WHERE id = ?').get(id)
  db.close()
  return row
}

it('gives back what it claimed on the way into the shutdown, also where the store is away for a moment', async () => {
  const path = join(directory, 'tasks.db')
  const { queue, claimed, answer } = awayAtRelease(sqliteQueue({ path }))
  const logger = createLogger({ destination: { write: () => {} } })
  const one = createWorker({ plugins: [plugin(gates().run)], queue, dataDir: directory, logger })
  worker = one
  await one.start()
  const { id } = await one.submit('free', {})
  await claimed
  const stopping = one.stop({ timeoutMs: 5000 })
  answer()
  await stopping
  expect(stored(path, id)).toEqual({ status: 'queued', releases: 1 })
})

it('gives back what would not stop, also where the store is away for a moment', async () => {
  const path = join(directory, 'tasks.db')
  const { queue, answer } = awayAtRelease(sqliteQueue({ path }))
  answer()
  const gate = gates()
  const logger = createLogger({ destination: { write: () => {} } })
  const one = createWorker({ plugins: [plugin(gate.run)], queue, dataDir: directory, logger })
  worker = one
  await one.start()
  const { id } = await one.submit('free', {})
  await gate.until(1)
  expect(await one.stop({ timeoutMs: 3000 })).toBe('forced')
  expect(stored(path, id)).toEqual({ status: 'queued', releases: 1 })
})
