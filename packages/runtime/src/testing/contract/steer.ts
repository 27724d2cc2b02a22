import { expect } from 'vitest'
import { ERROR, HOUR, type ContractTest } from '../scene.js'
import type { Settlement } from '../../task.js'

const FAILED: Settlement = { kind: 'failed', reason: 'exhausted', error: ERROR, charge: 'attempt' }
const FINAL: readonly Settlement[] = [{ kind: 'succeeded', result: '1' }, FAILED, { kind: 'cancelled' }]

export const STEER_TESTS: readonly ContractTest[] = [
  {
    title: '[Q4.1] a task that waits is cancelled at once and never starts afterwards',
    run: async (scene) => {
      const [one, other] = [await scene.owner(), await scene.owner()]
      const now = scene.clock.wall()
      const retrying = await scene.ended(one, { kind: 'retry', error: ERROR, retryAt: now + HOUR })
      const [queued, scheduled, canary] = await scene.accepted(
        one,
        {},
        { runAt: now + HOUR },
        { runAt: now + 2 * HOUR },
      )
      for (const { id } of [retrying, queued!, scheduled!]) {
        expect(await other.driver.requestCancel(id)).toBe('cancelled')
        expect(await scene.read(one, id)).toMatchObject({ status: 'cancelled' })
        expect((await scene.read(one, id)).finishedAt).not.toBeNull()
      }
      expect(await scene.delivered(one)).toEqual([])
      scene.time.stepWall(3 * HOUR)
      expect((await scene.claimOne(one, { max: 10 })).task.id).toBe(canary!.id)
      expect(await scene.read(one, retrying.id)).toMatchObject({ attempts: 1, deliveries: 1 })
    },
  },
  {
    title: '[Q4.2] the owner of a running task hears that its cancel was requested, whoever asked',
    run: async (scene) => {
      const [one, other] = [await scene.owner(), await scene.owner()]
      for (const asks of [one, other]) {
        const delivery = await scene.inHand(one)
        expect(await asks.driver.requestCancel(delivery.task.id)).toBe('requested')
        expect(await scene.read(other, delivery.task.id)).toMatchObject({
          status: 'running',
          cancelRequested: true,
        })
        const heard = () => one.wakes.some(({ cancelled }) => cancelled.includes(delivery.fence))
        await scene.until('the owner heard of the cancel', heard)
        await scene.settled(one, delivery, { kind: 'cancelled' })
        expect(await scene.read(other, delivery.task.id)).toMatchObject({ status: 'cancelled' })
      }
      expect(other.wakes.flatMap(({ cancelled }) => cancelled)).toEqual([])
    },
  },
  {
    title: '[Q4.2] a task whose cancel was requested may still end as it will',
    run: async (scene) => {
      const one = await scene.owner()
      const delivery = await scene.inHand(one)
      await one.driver.requestCancel(delivery.task.id)
      expect(await one.driver.requestCancel(delivery.task.id)).toBe('requested')
      await scene.settled(one, delivery, { kind: 'succeeded', result: '1' })
      expect(await scene.read(one, delivery.task.id)).toMatchObject({ status: 'succeeded', result: '1' })
    },
  },
  {
    title: '[Q4] final is final: cancel, settle, report and time do not change it',
    run: async (scene) => {
      const one = await scene.owner()
      for (const settlement of FINAL) {
        const delivery = await scene.inHand(one, { expiresAt: scene.clock.wall() + HOUR })
        await scene.settled(one, delivery, settlement)
        const before = await scene.read(one, delivery.task.id)
        expect(await one.driver.requestCancel(delivery.task.id)).toBe('final')
        expect(await one.driver.settle(delivery.fence, { kind: 'release' })).toBe('stale')
        expect(await one.driver.record(delivery.fence, { checkpoint: '1' })).toBe('stale')
        scene.time.stepWall(2 * HOUR)
        await scene.ageLeases(2 * HOUR)
        expect(await scene.delivered(one)).toEqual([])
        expect(await scene.read(one, delivery.task.id)).toEqual(before)
      }
    },
  },
  {
    title: '[Q4] a task that is not there answers not_found',
    run: async (scene) => {
      const one = await scene.owner()
      expect(await one.driver.requestCancel('nobody')).toBe('not_found')
      expect(await one.driver.replay('nobody')).toBe('not_found')
      expect(await one.driver.get('nobody')).toBeNull()
    },
  },
  {
    title: '[Q4.3] a replayed task has new budgets and its old counters, and nothing left but its checkpoint',
    run: async (scene) => {
      const one = await scene.owner()
      for (const end of [FAILED, { kind: 'cancelled' } as const]) {
        const first = await scene.inHand(one)
        await one.driver.record(first.fence, {
          checkpoint: '"here"',
          progress: { done: 1, total: 2, note: 'half' },
        })
        await scene.settled(one, first, { kind: 'crash', error: ERROR })
        await scene.settled(one, await scene.claimAny(one), end)
        const before = await scene.read(one, first.task.id)
        expect(await one.driver.replay(first.task.id)).toBe('replayed')
        const { attempts, crashes, releases, snoozes, deliveries } = before
        const kept = { attempts, crashes, releases, snoozes, deliveries }
        const gone = { error: null, result: null, progress: null, failureReason: null, finishedAt: null }
        expect(await scene.read(one, first.task.id)).toMatchObject({ ...kept, ...gone, status: 'queued' })
        const again = await scene.claimAny(one)
        expect(again).toMatchObject({ charged: { attempts: 0, crashes: 0 }, checkpoint: '"here"' })
        expect(again.task).toMatchObject({ crashes: 1, deliveries: 3, cancelRequested: false })
        await scene.settled(one, again, { kind: 'succeeded', result: '1' })
      }
    },
  },
  {
    title: '[Q4.3] a replayed task is ready now, behind those that waited longer',
    run: async (scene) => {
      const one = await scene.owner()
      const [task] = await scene.accepted(one, { runAt: scene.clock.wall() + 9 * HOUR })
      await one.driver.requestCancel(task!.id)
      const [waiting] = await scene.accepted(one, {})
      scene.time.stepWall(HOUR)
      const now = scene.clock.wall()
      await one.driver.replay(task!.id)
      const { readyAt } = await scene.read(one, task!.id)
      expect(Math.abs(readyAt - now)).toBeLessThan(HOUR)
      expect(await scene.delivered(one)).toEqual([waiting!.id, task!.id])
    },
  },
  {
    title: '[Q4.3] budgets count from the last replay, however often',
    run: async (scene) => {
      const one = await scene.owner()
      const { id } = await scene.ended(one, FAILED)
      for (let times = 1; times <= 3; times++) {
        expect(await one.driver.replay(id)).toBe('replayed')
        const delivery = await scene.claimOne(one)
        expect(delivery.charged.attempts).toBe(0)
        await scene.settled(one, delivery, { kind: 'retry', error: ERROR, retryAt: scene.clock.wall() })
        const last = await scene.claimOne(one)
        expect(last.charged.attempts).toBe(1)
        await scene.settled(one, last, FAILED)
        expect(await scene.read(one, id)).toMatchObject({
          attempts: 1 + 2 * times,
          deliveries: 1 + 2 * times,
        })
      }
    },
  },
  {
    title: '[Q4.4] a succeeded task and one that is not final are not replayable',
    run: async (scene) => {
      const one = await scene.owner()
      const now = scene.clock.wall()
      const done = await scene.ended(one, { kind: 'succeeded', result: '1' })
      const retrying = await scene.ended(one, { kind: 'retry', error: ERROR, retryAt: now + HOUR })
      const running = (await scene.inHand(one)).task
      const [queued, scheduled] = await scene.accepted(one, {}, { runAt: now + HOUR })
      for (const { id } of [done, retrying, running, queued!, scheduled!]) {
        const before = await scene.read(one, id)
        expect(await one.driver.replay(id)).toBe('not_replayable')
        expect(await scene.read(one, id)).toEqual(before)
      }
    },
  },
  {
    title: '[Q8.6] a paused type is delivered to no owner until it is resumed, and still accepts',
    run: async (scene) => {
      const [one, other] = [await scene.owner(), await scene.owner()]
      const [before, free] = await scene.accepted(one, {}, { type: 'beta' })
      await other.driver.pause('alpha')
      await other.driver.pause('alpha')
      // from the moment at which the pause was answered
      expect(await scene.delivered(one)).toEqual([free!.id])
      expect((await one.driver.counts()).paused).toEqual(['alpha'])
      const [during] = await scene.accepted(one, {})
      expect(await scene.delivered(one)).toEqual([])
      expect(await scene.delivered(other)).toEqual([])
      await one.driver.resume('alpha')
      expect(await scene.delivered(other)).toEqual([before!.id, during!.id])
    },
  },
  {
    title: '[Q8.6] a pause outlives the owner that asked for it, and does not touch what runs',
    run: async (scene) => {
      const one = await scene.owner()
      const running = await scene.inHand(one)
      const [waiting] = await scene.accepted(one, {})
      await one.driver.pause('alpha')
      await scene.settled(one, running, { kind: 'succeeded', result: '1' })
      await scene.closeAll()
      await scene.fixture.reopenStore?.()
      const next = await scene.owner()
      expect((await next.driver.counts()).paused).toEqual(['alpha'])
      expect(await scene.delivered(next)).toEqual([])
      await next.driver.resume('alpha')
      expect(await scene.delivered(next)).toEqual([waiting!.id])
    },
  },
]
