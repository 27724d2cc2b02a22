import { expect } from 'vitest'
import type { ListFilter, QueueCounts } from '../../queue.js'
import { TASK_STATUSES, type NewTask, type Task } from '../../task.js'
import type { TestOwner } from '../queue-fixture.js'
import { ERROR, HOUR, settlements, type ContractTest, type Scene } from '../scene.js'

/** Tasks of two types and two versions in every status. */
async function mixed(scene: Scene, one: TestOwner): Promise<void> {
  for (const settlement of settlements(scene.clock.wall())) {
    const task = await scene.ended(one, settlement)
    // what came back stays out of the way of the next
    if (task.status === 'queued') await one.driver.requestCancel(task.id)
  }
  await scene.inHand(one)
  const later = scene.clock.wall() + HOUR
  await scene.accepted(
    one,
    {},
    {},
    { type: 'beta' },
    { version: 2 },
    { type: 'beta', version: 2, runAt: later },
  )
}

async function pages({ driver }: TestOwner, filter: ListFilter): Promise<readonly Task[]> {
  const all: Task[] = []
  let cursor: string | null | undefined
  do {
    const page = await driver.list(typeof cursor === 'string' ? { ...filter, cursor } : filter)
    expect(page.tasks.length).toBeLessThanOrEqual(filter.limit)
    // a cursor that leads nowhere would never end
    expect(all.length).toBeLessThan(10_000)
    expect(page.tasks.length > 0 || page.cursor === null, 'an empty page is the last').toBe(true)
    all.push(...page.tasks)
    cursor = page.cursor
  } while (cursor !== null)
  return all
}

const EMPTY: QueueCounts = { byType: {}, waiting: [], oldestReadyAt: null, paused: [], suspects: 0 }

const ids = (tasks: readonly (Task | NewTask)[]) => tasks.map(({ id }) => id)

export const READ_TESTS: readonly ContractTest[] = [
  {
    title: '[Q5] every accepted task can be read as it was given, by all owners',
    run: async (scene) => {
      const [one, other] = [await scene.owner(), await scene.owner()]
      const now = Math.ceil(scene.clock.wall())
      const [task] = await scene.accepted(one, {
        id: 'A.b_c:d-1',
        type: 'gamma.x_y-z',
        version: 3,
        payload: ' {"é":"𝄞\\u0000"} ',
        priority: -100,
        runAt: now + HOUR,
        maxAttempts: 7,
        timeoutMs: 1_234,
        expiresAt: now + 2 * HOUR,
      })
      const { idempotency: _, ...given } = task!
      const expected = {
        ...given,
        status: 'scheduled',
        cancelRequested: false,
        progress: null,
        result: null,
        error: null,
        log: [],
        failureReason: null,
        startedAt: null,
        finishedAt: null,
        attempts: 0,
        crashes: 0,
        releases: 0,
        snoozes: 0,
        deliveries: 0,
      }
      const found = await scene.read(other, task!.id)
      expect(found).toEqual({ ...expected, readyAt: given.runAt, createdAt: found.createdAt })
      expect(Math.abs(found.createdAt - now)).toBeLessThan(HOUR)
    },
  },
  {
    title: '[Q5] a task can be read in every status, at any time',
    run: async (scene) => {
      const one = await scene.owner()
      await mixed(scene, one)
      const before = await one.driver.list({ limit: 1_000 })
      scene.time.stepWall(HOUR / 4)
      for (const task of before.tasks) {
        expect(await one.driver.get(task.id)).toEqual(task)
      }
      expect(new Set(before.tasks.map(({ status }) => status))).toEqual(new Set(TASK_STATUSES))
    },
  },
  {
    title: '[Q5] what a handler reported can be read: the latest progress and the last hundred log lines',
    run: async (scene) => {
      const [one, other] = [await scene.owner(), await scene.owner()]
      const { fence, task } = await scene.inHand(one)
      const log = Array.from({ length: 130 }, (_, at) => ({
        at,
        level: 'info' as const,
        event: `line ${at} é`,
      }))
      await one.driver.record(fence, {
        progress: { done: 1, total: null, note: null },
        log: log.slice(0, 60),
      })
      await one.driver.record(fence, { progress: { done: 1.5, total: 3, note: 'é' }, log: log.slice(60) })
      await one.driver.record(fence, {})
      const found = await scene.read(other, task.id)
      expect(found.progress).toEqual({ done: 1.5, total: 3, note: 'é' })
      expect(found.log).toEqual(log.slice(30))
    },
  },
  {
    title: '[Q5] owners hear when tasks may have become final elsewhere',
    run: async (scene) => {
      const [one, other] = [await scene.owner(), await scene.owner()]
      const delivery = await scene.inHand(one)
      const before = other.wakes.length
      await scene.settled(one, delivery, { kind: 'succeeded', result: '1' })
      await scene.until('the other owner heard', () =>
        other.wakes.slice(before).some(({ changed }) => changed),
      )
      expect(await scene.read(other, delivery.task.id)).toMatchObject({ status: 'succeeded' })
    },
  },
  {
    title: '[Q5.3] pages lead from the newest to the oldest without a gap or a repeat',
    run: async (scene) => {
      const one = await scene.owner()
      const tasks = await scene.accepted(one, ...Array.from({ length: 25 }, () => ({})))
      const newest = ids(tasks).toReversed()
      for (const limit of [1, 5, 7, 25, 1_000]) expect(ids(await pages(one, { limit }))).toEqual(newest)
    },
  },
  {
    title: '[Q5.3] tasks that come or change between two pages make no gap and no repeat',
    run: async (scene) => {
      const one = await scene.owner()
      const tasks = await scene.accepted(one, ...Array.from({ length: 9 }, () => ({})))
      const newest = ids(tasks).toReversed()
      const first = await one.driver.list({ limit: 3 })
      await scene.accepted(one, {}, {})
      for (const delivery of (await scene.claim(one, { max: 5 })).deliveries) {
        await scene.settled(one, delivery, { kind: 'succeeded', result: '1' })
      }
      const second = await one.driver.list({ limit: 3, cursor: first.cursor! })
      const third = await one.driver.list({ limit: 3, cursor: second.cursor! })
      expect(ids([...first.tasks, ...second.tasks, ...third.tasks])).toEqual(newest)
    },
  },
  {
    title: '[Q5.3] a page holds what the filter asks for',
    run: async (scene) => {
      const one = await scene.owner()
      await mixed(scene, one)
      const all = await pages(one, { limit: 1_000 })
      for (const type of ['alpha', 'beta', 'gamma']) {
        expect(await pages(one, { type, limit: 2 })).toEqual(all.filter((task) => task.type === type))
        for (const status of TASK_STATUSES) {
          expect(await pages(one, { status, limit: 1 })).toEqual(all.filter((task) => task.status === status))
          const both = all.filter((task) => task.type === type && task.status === status)
          expect(await pages(one, { type, status, limit: 3 })).toEqual(both)
        }
      }
    },
  },
  {
    title: '[Q5.3] a cursor that no page gave is refused with bad_cursor',
    run: async (scene) => {
      const one = await scene.owner()
      await scene.accepted(one, {}, {})
      for (const cursor of ['', 'x', '1', 's', 's-1', 's1.5', 's1 ', "s1' OR 1=1", '../../x', 'sNaN']) {
        await expect(one.driver.list({ limit: 1, cursor }), cursor).rejects.toMatchObject({
          code: 'bad_cursor',
        })
      }
    },
  },
  {
    title: '[Q5.4] counts add up with what list shows',
    run: async (scene) => {
      const [one, other] = [await scene.owner(), await scene.owner()]
      expect(await one.driver.counts()).toEqual(EMPTY)
      await mixed(scene, one)
      const all = await pages(one, { limit: 1_000 })
      const byType: Record<string, Record<string, number>> = {}
      const waiting: Record<string, number> = {}
      for (const { type, version, status } of all) {
        const ofType = (byType[type] ??= {})
        ofType[status] = (ofType[status] ?? 0) + 1
        if (!['queued', 'scheduled', 'retrying'].includes(status)) continue
        waiting[`${type} ${version}`] = (waiting[`${type} ${version}`] ?? 0) + 1
      }
      const counts = await other.driver.counts()
      expect(counts.byType).toEqual(byType)
      const counted = counts.waiting.map(({ type, version, count }) => [`${type} ${version}`, count] as const)
      expect(Object.fromEntries(counted)).toEqual(waiting)
      expect(counted).toHaveLength(Object.keys(waiting).length)
    },
  },
  {
    title: '[Q5.4] types with the names of what every object has are counted like others',
    run: async (scene) => {
      const one = await scene.owner()
      await scene.accepted(one, { type: 'constructor' }, { type: 'valueof' })
      expect((await one.driver.counts()).byType).toEqual({
        constructor: { queued: 1 },
        valueof: { queued: 1 },
      })
    },
  },
  {
    title: '[Q5.4] the oldest ready task is the one that became claimable first',
    run: async (scene) => {
      const one = await scene.owner()
      const oldest = async () => (await one.driver.counts()).oldestReadyAt
      await scene.accepted(one, { runAt: scene.clock.wall() + HOUR })
      expect(await oldest()).toBeNull()
      const [first] = await scene.accepted(one, { type: 'beta' })
      scene.time.stepWall(HOUR / 2)
      await scene.accepted(one, { priority: 100 }, { type: 'beta', priority: 100 })
      expect(await oldest()).toBe((await scene.read(one, first!.id)).createdAt)
      await one.driver.pause('beta')
      await one.driver.pause('alpha')
      expect(await oldest()).toBeNull()
    },
  },
  {
    title:
      '[Q5.4] what no delivery can reach any more is gone from the counts: cancelled suspects and pruned tasks',
    run: async (scene) => {
      const [dying, one] = [await scene.owner(), await scene.owner()]
      const { task } = await scene.inHand(dying)
      await scene.dies(dying, one, [task.id])
      expect((await one.driver.counts()).suspects).toBe(1)
      await one.driver.requestCancel(task.id)
      expect(await one.driver.counts()).toMatchObject({ suspects: 0, byType: { alpha: { cancelled: 1 } } })
      scene.time.stepWall(HOUR)
      const nothing = { maxAgeMs: 0, maxCount: 0 }
      await one.driver.prune({ succeeded: nothing, failed: nothing }, { limit: 10, deadlineMs: 5_000 })
      expect((await one.driver.counts()).byType).toEqual({})
    },
  },
  {
    title: '[Q5.4] each error of a retrying task is the last one',
    run: async (scene) => {
      const one = await scene.owner()
      await scene.ended(one, { kind: 'retry', error: ERROR, retryAt: scene.clock.wall() })
      const second = await scene.claimOne(one)
      const error = { code: 'timed_out', message: 'é "quoted"' }
      await scene.settled(one, second, { kind: 'retry', error, retryAt: scene.clock.wall() + HOUR })
      expect((await scene.read(one, second.task.id)).error).toEqual(error)
    },
  },
]
