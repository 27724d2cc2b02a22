import { expect } from 'vitest'
import { ERROR, HOUR, wants, type ContractTest } from '../scene.js'

export const CLAIM_TESTS: readonly ContractTest[] = [
  {
    title: '[Q8] only wanted types and versions are delivered',
    run: async (scene) => {
      const one = await scene.owner()
      const tasks = await scene.accepted(
        one,
        {},
        { version: 2 },
        { version: 3 },
        { type: 'beta' },
        { type: 'gamma' },
      )
      const ids = tasks.map(({ id }) => id)
      const asked = [
        { type: 'alpha', versions: [1, 3], free: 9 },
        { type: 'gamma', versions: [2], free: 9 },
      ]
      expect(await scene.delivered(one, { wants: asked })).toEqual([ids[0], ids[2]])
      expect(await scene.delivered(one, { wants: [{ type: 'alpha', versions: [], free: 9 }] })).toEqual([])
      expect(await scene.delivered(one, { wants: [] })).toEqual([])
      expect(await scene.delivered(one, { wants: wants('beta') })).toEqual([ids[3]])
    },
  },
  {
    title: '[Q8] never more than free of a type nor max in all',
    run: async (scene) => {
      const one = await scene.owner()
      const types = ['alpha', 'alpha', 'alpha', 'beta', 'beta', 'beta', 'beta', 'gamma']
      const ids = (await scene.accepted(one, ...types.map((type) => ({ type })))).map(({ id }) => id)
      const asked = [
        { type: 'alpha', versions: [1], free: 2 },
        { type: 'beta', versions: [1], free: 1 },
        { type: 'gamma', versions: [1], free: 0 },
      ]
      expect(await scene.delivered(one, { wants: asked, max: 10 })).toEqual([ids[0], ids[1], ids[3]])
      expect(await scene.delivered(one, { max: 0 })).toEqual([])
      const rest = wants('alpha', 'beta', 'gamma')
      expect(await scene.delivered(one, { wants: rest, max: 2 })).toEqual([ids[2], ids[4]])
      expect(await scene.delivered(one, { wants: rest })).toEqual([ids[5], ids[6], ids[7]])
    },
  },
  {
    title: '[Q8] free counts all versions of a type together',
    run: async (scene) => {
      const one = await scene.owner()
      const ids = (await scene.accepted(one, { version: 2 }, { version: 1 }, { version: 2 })).map(
        ({ id }) => id,
      )
      const asked = [{ type: 'alpha', versions: [1, 2], free: 2 }]
      expect(await scene.delivered(one, { wants: asked })).toEqual([ids[0], ids[1]])
    },
  },
  {
    title: '[Q8.1] at equal rank first in is first out, across types and versions',
    run: async (scene) => {
      const one = await scene.owner()
      const fields = Array.from({ length: 30 }, (_, i) => ({
        type: i % 3 === 0 ? 'beta' : 'alpha',
        version: 1 + (i % 2),
      }))
      const ids = (await scene.accepted(one, ...fields)).map(({ id }) => id)
      const asked = ['alpha', 'beta'].map((type) => ({ type, versions: [2, 1], free: 100 }))
      const got: string[] = []
      for (let i = 0; i < 10; i++) got.push(...(await scene.delivered(one, { wants: asked, max: 3 })))
      expect(got).toEqual(ids)
    },
  },
  {
    title: '[Q8.1] one point of priority is worth a minute of waiting',
    run: async (scene) => {
      const one = await scene.owner()
      const submitAfter = async (ms: number, priority: number, type = 'alpha') => {
        scene.time.stepWall(ms)
        return (await scene.accepted(one, { priority, type }))[0]!.id
      }
      const old = await submitAfter(0, 0)
      const urgentSoon = await submitAfter(50_000, 1, 'beta')
      const urgentLate = await submitAfter(20_000, 1)
      const lazy = await submitAfter(0, -100, 'beta')
      const topLate = await submitAfter(90 * 60_000, 100)
      const usualLast = await submitAfter(20 * 60_000, 0, 'beta')
      expect(await scene.delivered(one)).toEqual([topLate, urgentSoon, old, urgentLate, lazy, usualLast])
    },
  },
  {
    title: '[Q8.1] a scheduled task takes its place by the time at which it became ready',
    run: async (scene) => {
      const one = await scene.owner()
      const now = scene.clock.wall()
      const [later] = await scene.accepted(one, { runAt: now + HOUR })
      scene.time.stepWall(HOUR / 2)
      const [between] = await scene.accepted(one, {})
      scene.time.stepWall(HOUR)
      const [last] = await scene.accepted(one, {})
      const got = [await scene.claimOne(one), await scene.claimOne(one), await scene.claimOne(one)]
      expect(got.map(({ task }) => task.id)).toEqual([between!.id, later!.id, last!.id])
    },
  },
  {
    title: '[Q8.2] what is scheduled, retrying, paused, final, running or cancelled is not delivered',
    run: async (scene) => {
      const [one, other] = [await scene.owner(), await scene.owner()]
      const now = scene.clock.wall()
      await scene.ended(one, { kind: 'retry', error: ERROR, retryAt: now + HOUR })
      await scene.ended(one, { kind: 'snooze', until: now + HOUR })
      await scene.ended(one, { kind: 'succeeded', result: '1' })
      await scene.ended(one, { kind: 'failed', reason: 'non_retryable', error: ERROR, charge: 'attempt' })
      await scene.ended(one, { kind: 'cancelled' })
      await scene.inHand(one)
      const [cancelled] = await scene.accepted(one, {}, { runAt: now + HOUR }, { type: 'beta' })
      await one.driver.requestCancel(cancelled!.id)
      await one.driver.pause('beta')
      expect(await scene.delivered(one)).toEqual([])
      expect(await scene.delivered(other)).toEqual([])
    },
  },
  {
    title: '[Q2] owners that claim at once never get the same task',
    run: async (scene) => {
      const owners = [await scene.owner(), await scene.owner()]
      const tasks = await scene.accepted(owners[0]!, ...Array.from({ length: 60 }, () => ({})))
      const got: string[] = []
      await scene.until('all are delivered', async () => {
        const claims = Array.from({ length: 10 }, (_, i) => scene.delivered(owners[i % 2]!, { max: 2 }))
        got.push(...(await Promise.all(claims)).flat())
        return got.length >= tasks.length
      })
      expect(got.toSorted()).toEqual(tasks.map(({ id }) => id).toSorted())
    },
  },
  {
    title: '[Q3] every delivery has a fence of its own, also after the store was opened again',
    run: async (scene) => {
      const fences: string[] = []
      for (let opening = 0; opening < 3; opening++) {
        const owners = [await scene.owner(), await scene.owner()]
        await scene.accepted(owners[0]!, {})
        for (let i = 0; i < 10; i++) {
          const { deliveries } = await scene.claim(owners[i % 2]!)
          fences.push(...deliveries.map(({ fence }) => fence))
          for (const delivery of deliveries) await scene.settled(owners[0]!, delivery, { kind: 'release' })
        }
        await scene.closeAll()
        await scene.fixture.reopenStore?.()
      }
      expect(fences.length).toBeGreaterThanOrEqual(30)
      expect(new Set(fences).size).toBe(fences.length)
    },
  },
  {
    title: '[Q6] the delivery is counted and can be read before it is answered',
    run: async (scene) => {
      const [one, other] = [await scene.owner(), await scene.owner()]
      const first = await scene.inHand(one)
      expect(first.task).toMatchObject({ deliveries: 1, status: 'running' })
      expect(await scene.read(other, first.task.id)).toMatchObject({ deliveries: 1, status: 'running' })
      expect((await scene.read(other, first.task.id)).startedAt).not.toBeNull()
      await scene.settled(one, first, { kind: 'release' })
      const second = await scene.claimOne(other)
      expect(second.task.deliveries).toBe(2)
      expect(await scene.read(one, first.task.id)).toMatchObject({ deliveries: 2, releases: 1 })
    },
  },
  {
    title: '[Q8.4] a task that expired before its first start is failed, not delivered',
    run: async (scene) => {
      const one = await scene.owner()
      const expiresAt = scene.clock.wall() + HOUR
      const [queued, scheduled] = await scene.accepted(
        one,
        { expiresAt },
        { expiresAt, runAt: expiresAt + HOUR },
      )
      scene.time.stepWall(3 * HOUR)
      expect(await scene.delivered(one)).toEqual([])
      for (const { id } of [queued!, scheduled!]) {
        await scene.until(
          'the expired task is failed',
          async () => (await scene.read(one, id)).status === 'failed',
        )
        const expected = { failureReason: 'expired', error: { code: 'expired' }, deliveries: 0, attempts: 0 }
        expect(await scene.read(one, id)).toMatchObject(expected)
        expect((await scene.read(one, id)).finishedAt).not.toBeNull()
      }
    },
  },
  {
    title: '[Q8.4] a task that was started in time does not expire afterwards',
    run: async (scene) => {
      const one = await scene.owner()
      const delivery = await scene.inHand(one, { expiresAt: scene.clock.wall() + HOUR })
      await scene.settled(one, delivery, { kind: 'release' })
      scene.time.stepWall(2 * HOUR)
      expect((await scene.claimOne(one)).task.id).toBe(delivery.task.id)
    },
  },
  {
    title: '[Q8.4] a replay of an expired task lets it run',
    run: async (scene) => {
      const one = await scene.owner()
      const [task] = await scene.accepted(one, { expiresAt: scene.clock.wall() + HOUR })
      scene.time.stepWall(2 * HOUR)
      await scene.until('it expired', async () => (await scene.read(one, task!.id)).status === 'failed')
      expect(await one.driver.replay(task!.id)).toBe('replayed')
      expect((await scene.claimOne(one)).task.id).toBe(task!.id)
    },
  },
  {
    title: '[Q3.1] a row that does not match its hash is delivered as not intact',
    run: async (scene) => {
      const one = await scene.owner()
      if (!one.driver.capabilities.integrity) scene.skip('the driver keeps no hashes')
      const corrupt = scene.needs(scene.fixture.corrupt, 'the fixture cannot corrupt a row')
      const [bad, good] = await scene.accepted(one, {}, {})
      await corrupt(bad!.id)
      const { deliveries } = await scene.claim(one)
      const intact = Object.fromEntries(deliveries.map((delivery) => [delivery.task.id, delivery.intact]))
      expect(intact).toEqual({ [bad!.id]: false, [good!.id]: true })
    },
  },
  {
    title: '[Q3.1] rows that nobody touched are intact',
    run: async (scene) => {
      const one = await scene.owner()
      await scene.accepted(
        one,
        { payload: '{"text":"\\ud83d é \\u0000"}' },
        { payload: ' [ ] ' },
        { payload: '"𝄞"' },
      )
      const { deliveries } = await scene.claim(one)
      expect(deliveries.map(({ intact }) => intact)).toEqual([true, true, true])
    },
  },
]
