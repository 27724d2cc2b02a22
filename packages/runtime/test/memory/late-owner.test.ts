import { expect, onTestFinished, test } from 'vitest'
import { createBoard } from '../../src/keeper/board.js'
import { createMemoryStore, memoryQueue, type MemoryStore } from '../../src/memory-queue.js'
import { DEFAULT_LIMITS, type Wake } from '../../src/queue.js'
import type { NewTask } from '../../src/task.js'
import { fakeClock, type FakeClock } from '../../src/testing/fake-clock.js'

async function openOwner(store: MemoryStore, { clock }: FakeClock) {
  const driver = memoryQueue({ store })
  const wakes: Wake[] = []
  driver.onWake((wake) => wakes.push(wake))
  const keeper = {
    board: createBoard(1),
    attach: () => Promise.reject(new Error('unused')),
    close: async () => {},
  }
  await driver.open({ clock, keeper, limits: DEFAULT_LIMITS, log: () => {}, onFatal: () => {} })
  onTestFinished(() => driver.close({ deadlineMs: 1_000 }))
  return { driver, wakes }
}

const task: NewTask = {
  id: 'one',
  type: 'alpha',
  version: 1,
  payload: '1',
  priority: 0,
  runAt: 0,
  maxAttempts: 5,
  timeoutMs: null,
  expiresAt: null,
  idempotency: null,
}
const request = { wants: [{ type: 'alpha', versions: [1], free: 1 }], max: 1 }

test('an owner that is only late loses its task, is told so, and nobody is suspected of a crash', async () => {
  const [store, time] = [createMemoryStore(), fakeClock()]
  const [late, next] = [await openOwner(store, time), await openOwner(store, time)]
  await late.driver.submit([task])
  const [old] = (await late.driver.claim(request)).deliveries
  time.stepMonotonic(DEFAULT_LIMITS.leaseMs + 1)
  const { deliveries, suspects } = await next.driver.claim(request)
  expect(deliveries.map((delivery) => delivery.task)).toMatchObject([{ id: 'one', releases: 1, crashes: 0 }])
  expect(suspects).toBe(0)
  expect(late.wakes.flatMap(({ lost }) => lost)).toEqual([old!.fence])
})

test('a lease that ran out still counts until the task is taken back: whoever finishes first is heard', async () => {
  const [store, time] = [createMemoryStore(), fakeClock()]
  const { driver } = await openOwner(store, time)
  await driver.submit([task])
  const [delivery] = (await driver.claim(request)).deliveries
  time.stepMonotonic(DEFAULT_LIMITS.leaseMs + 1)
  expect(await driver.settle(delivery!.fence, { kind: 'succeeded', result: '1' })).toBe('settled')
})

test('members reject with queue_closed before the queue was opened, and a driver is opened once', async () => {
  const driver = memoryQueue()
  await expect(driver.counts()).rejects.toMatchObject({ code: 'queue_closed' })
  const { driver: opened } = await openOwner(createMemoryStore(), fakeClock())
  const again = opened.open({
    clock: fakeClock().clock,
    keeper: {
      board: createBoard(1),
      attach: () => Promise.reject(new Error('unused')),
      close: async () => {},
    },
    limits: DEFAULT_LIMITS,
    log: () => {},
    onFatal: () => {},
  })
  await expect(again).rejects.toMatchObject({ code: 'queue_closed' })
})
