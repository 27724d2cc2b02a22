import { expect } from 'vitest'
import type { Claim, ClaimRequest, QueueLimits, Retention, SubmitAnswer, Want } from '../queue.js'
import type { Delivery, NewTask, Settlement, Task } from '../task.js'
import { fakeClock, type FakeClock } from './fake-clock.js'
import { until, type QueueFixture, type TestOwner } from './queue-fixture.js'

/** One sentence of the contract, tried. The title starts with the sentence's mark: `[Q8.1] …`. */
export interface ContractTest {
  readonly title: string
  readonly run: (scene: Scene) => Promise<void>
}

/** Where a contract test plays: a store of its own, and short ways to say what happens on it. */
export type Scene = ReturnType<typeof createScene>

export const HOUR = 3_600_000
export const ERROR = { code: 'handler_failed', message: 'the disk is full' }
/** Nothing goes by age, nothing by number. */
export const KEEP_ALL: Retention = {
  succeeded: { maxAgeMs: Infinity, maxCount: Infinity },
  failed: { maxAgeMs: Infinity, maxCount: Infinity },
}

/** Every settlement, as a test needs it at `now`. */
export function settlements(now: number): readonly Settlement[] {
  return [
    { kind: 'succeeded', result: '{"ok":true}' },
    { kind: 'retry', error: ERROR, retryAt: now + HOUR },
    { kind: 'failed', reason: 'exhausted', error: ERROR, charge: 'attempt' },
    { kind: 'failed', reason: 'crashed', error: ERROR, charge: 'crash' },
    { kind: 'crash', error: ERROR },
    { kind: 'release' },
    { kind: 'snooze', until: now + HOUR },
    { kind: 'cancelled' },
  ]
}

/** Wants of version 1 with plenty of places. */
export function wants(...types: readonly string[]): readonly Want[] {
  return types.map((type) => ({ type, versions: [1], free: 1_000 }))
}

async function submit({ driver }: TestOwner, ...given: readonly NewTask[]): Promise<readonly SubmitAnswer[]> {
  return driver.submit(given)
}

async function claim({ driver }: TestOwner, request: Partial<ClaimRequest> = {}): Promise<Claim> {
  return driver.claim({ wants: wants('alpha', 'beta'), max: 1_000, ...request })
}

async function settled({ driver }: TestOwner, { fence }: Delivery, settlement: Settlement): Promise<void> {
  expect(await driver.settle(fence, settlement)).toBe('settled')
}

async function read({ driver }: TestOwner, id: string): Promise<Task> {
  const found = await driver.get(id)
  expect(found, `task ${id}`).not.toBeNull()
  return found!
}

export function createScene(fixture: QueueFixture, skip: (reason: string) => never) {
  const owners = new Set<TestOwner>()
  const time: FakeClock = fakeClock(fixture.clock)
  let tasks = 0

  /** The means that a test needs; without it the test is skipped. */
  function needs<T>(means: T | undefined, reason: string): T {
    return means ?? skip(reason)
  }

  /** Lets leases grow older: time passes in which nobody renews. */
  async function ageLeases(ms: number): Promise<void> {
    if (fixture.ageLeases) await fixture.ageLeases(ms)
    else time.stepMonotonic(ms)
  }

  async function owner(limits?: Partial<QueueLimits>): Promise<TestOwner> {
    const opened = await fixture.openOwner(limits)
    const kept: TestOwner = {
      driver: opened.driver,
      wakes: opened.wakes,
      crash: async () => {
        owners.delete(kept)
        await opened.crash()
      },
    }
    owners.add(kept)
    return kept
  }

  function task(fields: Partial<NewTask> = {}): NewTask {
    const n = ++tasks
    return {
      id: `task-${n}`,
      type: 'alpha',
      version: 1,
      payload: `{"n":${n}}`,
      priority: 0,
      runAt: fixture.clock.wall(),
      maxAttempts: 5,
      timeoutMs: null,
      expiresAt: null,
      idempotency: null,
      ...fields,
    }
  }

  /** Submits tasks that must be accepted. */
  async function accepted(by: TestOwner, ...given: readonly Partial<NewTask>[]): Promise<readonly NewTask[]> {
    const complete = given.map((fields) => task(fields))
    const answers = await by.driver.submit(complete)
    expect(answers.map(({ kind }) => kind)).toEqual(complete.map(() => 'accepted'))
    return complete
  }

  /** A claim that must deliver exactly one task, sooner or later. */
  async function claimOne(by: TestOwner, request: Partial<ClaimRequest> = {}): Promise<Delivery> {
    let got: readonly Delivery[] = []
    await until('a task is delivered', async () => {
      got = (await claim(by, { max: 1, ...request })).deliveries
      return got.length > 0
    })
    expect(got).toHaveLength(1)
    return got[0]!
  }

  /** As `claimOne`, whether the task is a suspect or not. */
  async function claimAny(by: TestOwner): Promise<Delivery> {
    let got: readonly Delivery[] = []
    await until('a task is delivered, alone or not', async () => {
      const usual = await claim(by, { max: 1 })
      got = usual.deliveries
      if (usual.suspects > 0) got = (await claim(by, { max: 1, alone: true })).deliveries
      return got.length > 0
    })
    expect(got).toHaveLength(1)
    return got[0]!
  }

  /** Accepts one task and claims it. */
  async function inHand(by: TestOwner, fields: Partial<NewTask> = {}): Promise<Delivery> {
    const [given] = await accepted(by, fields)
    const delivery = await claimOne(by)
    expect(delivery.task.id).toBe(given!.id)
    return delivery
  }

  /** Accepts one task, claims it and ends it. */
  async function ended(by: TestOwner, settlement: Settlement, fields: Partial<NewTask> = {}): Promise<Task> {
    const delivery = await inHand(by, fields)
    await settled(by, delivery, settlement)
    return read(by, delivery.task.id)
  }

  /** What is delivered now, without waiting for anything. */
  async function delivered(by: TestOwner, request: Partial<ClaimRequest> = {}): Promise<readonly string[]> {
    return (await claim(by, request)).deliveries.map((delivery) => delivery.task.id)
  }

  /** The owner dies and its leases run out; over when the recovery has ended `tasks` of its deliveries. */
  async function dies(dying: TestOwner, witness: TestOwner, ids: readonly string[]): Promise<void> {
    await dying.crash()
    await ageLeases(31_000)
    await until('the recovery has taken back what the dead owner had', async () => {
      await claim(witness, { wants: [], max: 0 })
      const all = await Promise.all(ids.map((id) => witness.driver.get(id)))
      return all.every((found) => found?.status !== 'running')
    })
  }

  async function closeAll(): Promise<void> {
    for (const opened of owners) await opened.driver.close({ deadlineMs: 5_000 })
    owners.clear()
  }

  return {
    fixture,
    clock: fixture.clock,
    time,
    ageLeases,
    skip,
    needs,
    until,
    owner,
    task,
    submit,
    accepted,
    claim,
    claimOne,
    claimAny,
    inHand,
    settled,
    ended,
    read,
    delivered,
    dies,
    closeAll,
  }
}
