import { expect } from 'vitest'
import { ERROR, HOUR, settlements, type ContractTest, type Scene } from '../scene.js'
import type { Delivery } from '../../task.js'
import type { TestOwner } from '../queue-fixture.js'

/** A task that was taken from a late owner and delivered to another: the old fence and the current delivery. */
async function takenOver(scene: Scene) {
  const [late, next] = [await scene.owner(), await scene.owner()]
  const old = await scene.inHand(late)
  await scene.ageLeases(31_000)
  const current = await scene.claimAny(next)
  expect(current.task.id).toBe(old.task.id)
  return { late, next, old, current }
}

/** Fences that were never given, are not current any more, or look like one. */
async function staleFences(scene: Scene, one: TestOwner): Promise<readonly string[]> {
  const settledOne = await scene.inHand(one)
  await scene.settled(one, settledOne, { kind: 'release' })
  const current = await scene.claimOne(one)
  const near = [`${current.fence}0`, `0${current.fence}`, ` ${current.fence}`, current.fence.slice(0, -1)]
  return [
    '',
    'x',
    '1:1',
    '-1:1',
    '9007199254740993:1',
    settledOne.fence,
    ...near.filter((fence) => fence !== ''),
  ]
}

/** Everything that can be read, to see that nothing changed. */
async function everything({ driver }: TestOwner): Promise<unknown> {
  return [await driver.list({ limit: 1_000 }), await driver.counts()]
}

async function changesNothing(scene: Scene, one: TestOwner, act: () => Promise<unknown>): Promise<void> {
  const before = await everything(one)
  await act()
  expect(await everything(one)).toEqual(before)
}

export const LEASE_TESTS: readonly ContractTest[] = [
  {
    title: '[Q2.1] a lease that is not renewed ends: the task is delivered again and its old fence is stale',
    run: async (scene) => {
      const { late, next, old, current } = await takenOver(scene)
      expect(current.fence).not.toBe(old.fence)
      expect(current.task.deliveries).toBe(2)
      expect(await late.driver.settle(old.fence, { kind: 'succeeded', result: '"late"' })).toBe('stale')
      expect(await late.driver.renew([old.fence])).toEqual(['stale'])
      await scene.settled(next, current, { kind: 'succeeded', result: '"in time"' })
      expect(await scene.read(late, old.task.id)).toMatchObject({ result: '"in time"', deliveries: 2 })
    },
  },
  {
    title: '[Q2.1] a lease that is renewed lasts, however long',
    run: async (scene) => {
      const [one, other] = [await scene.owner(), await scene.owner()]
      const kept = await scene.inHand(one)
      for (let i = 0; i < 3; i++) {
        // the canary's lease is not renewed: when it is delivered again, the recovery has looked
        const canary = await scene.inHand(other)
        await scene.ageLeases(16_000)
        expect(await one.driver.renew([kept.fence])).toEqual(['renewed'])
        await scene.ageLeases(16_000)
        const again = await scene.claimAny(other)
        expect(again.task.id).toBe(canary.task.id)
        await scene.settled(other, again, { kind: 'cancelled' })
        expect(await one.driver.renew([kept.fence])).toEqual(['renewed'])
      }
      await scene.settled(one, kept, { kind: 'succeeded', result: '1' })
    },
  },
  {
    title: '[Q2.1] the length of a lease is a limit of the queue',
    run: async (scene) => {
      const [one, other] = [await scene.owner({ leaseMs: 5_000 }), await scene.owner({ leaseMs: 5_000 })]
      const late = await scene.inHand(one)
      expect(late.leaseUntil - scene.clock.monotonic()).toBeLessThanOrEqual(5_000)
      await scene.ageLeases(5_100)
      expect((await scene.claimAny(other)).task.id).toBe(late.task.id)
    },
  },
  {
    title: '[Q3.2] renewing with a fence that is not current answers stale and changes nothing',
    run: async (scene) => {
      const one = await scene.owner()
      const stale = await staleFences(scene, one)
      await changesNothing(scene, one, async () => {
        expect(await one.driver.renew(stale)).toEqual(stale.map(() => 'stale'))
      })
      expect(await one.driver.renew([])).toEqual([])
    },
  },
  {
    title: '[Q3.2] each fence of a renewal is answered in its place',
    run: async (scene) => {
      const one = await scene.owner()
      const [first, second] = [await scene.inHand(one), await scene.inHand(one)]
      const answers = await one.driver.renew([first.fence, 'x', second.fence])
      expect(answers).toEqual(['renewed', 'stale', 'renewed'])
    },
  },
  {
    title: '[Q3.2] a renewal with an old fence does not prolong the lease of the next owner',
    run: async (scene) => {
      const { late, next, old, current } = await takenOver(scene)
      await scene.ageLeases(20_000)
      expect(await late.driver.renew([old.fence])).toEqual(['stale'])
      await scene.ageLeases(20_000)
      const third = await scene.claimAny(late)
      expect(third.task).toMatchObject({ id: old.task.id, deliveries: 3 })
      expect(await next.driver.settle(current.fence, { kind: 'release' })).toBe('stale')
    },
  },
  {
    title:
      '[Q3.3] settling with a fence that is not current answers stale and changes nothing, whatever the end',
    run: async (scene) => {
      const one = await scene.owner()
      const stale = await staleFences(scene, one)
      await changesNothing(scene, one, async () => {
        for (const settlement of settlements(scene.clock.wall())) {
          for (const fence of stale) expect(await one.driver.settle(fence, settlement)).toBe('stale')
        }
      })
    },
  },
  {
    title: '[Q3.3] a delivery ends once: the second settlement is stale, whatever the first was',
    run: async (scene) => {
      const one = await scene.owner()
      for (const first of settlements(scene.clock.wall())) {
        const delivery = await scene.inHand(one)
        await scene.settled(one, delivery, first)
        await changesNothing(scene, one, async () => {
          expect(await one.driver.settle(delivery.fence, { kind: 'succeeded', result: '"twice"' })).toBe(
            'stale',
          )
        })
        // out of the way of the next round
        await one.driver.requestCancel(delivery.task.id)
      }
    },
  },
  {
    title: '[Q3.3] an owner whose task was taken over can end it no more',
    run: async (scene) => {
      const { late, next, old, current } = await takenOver(scene)
      for (const settlement of settlements(scene.clock.wall())) {
        await changesNothing(scene, next, async () => {
          expect(await late.driver.settle(old.fence, settlement)).toBe('stale')
        })
      }
      await scene.settled(next, current, { kind: 'succeeded', result: '1' })
    },
  },
  {
    title: '[Q3.3] of two settlements at once exactly one ends the delivery',
    run: async (scene) => {
      const one = await scene.owner()
      const { fence, task } = await scene.inHand(one)
      const results = Array.from({ length: 10 }, (_, i) => `"${i}"`)
      const settle = (result: string) => one.driver.settle(fence, { kind: 'succeeded', result })
      const answers = await Promise.all(results.map(settle))
      expect(answers.filter((answer) => answer === 'settled')).toHaveLength(1)
      expect((await scene.read(one, task.id)).result).toBe(results[answers.indexOf('settled')])
    },
  },
  {
    title: '[Q3.4] reporting with a fence that is not current answers stale and changes nothing',
    run: async (scene) => {
      const one = await scene.owner()
      const stale = await staleFences(scene, one)
      const report = {
        progress: { done: 9, total: 9, note: 'stale' },
        checkpoint: '"stale"',
        log: [{ at: 1, level: 'info', event: 'stale' }],
      } as const
      await changesNothing(scene, one, async () => {
        for (const fence of stale) expect(await one.driver.record(fence, report)).toBe('stale')
      })
    },
  },
  {
    title: '[Q3.4] an owner whose task was taken over can report no more',
    run: async (scene) => {
      const { late, next, old, current } = await takenOver(scene)
      expect(await late.driver.record(old.fence, { checkpoint: '"stale"' })).toBe('stale')
      await scene.settled(next, current, { kind: 'release' })
      expect((await scene.claimAny(next)).checkpoint).toBeNull()
    },
  },
  {
    title: '[Q9] a wall clock that steps by hours changes no lease',
    run: async (scene) => {
      const [one, other] = [await scene.owner(), await scene.owner()]
      const kept = await scene.inHand(one)
      let canary: Delivery
      for (const step of [10 * HOUR, -30 * HOUR, 50 * HOUR]) {
        // the canary comes back when the step was seen, either at once or with the clock
        canary = await scene.inHand(other)
        scene.time.stepWall(step)
        await scene.settled(other, canary, { kind: 'retry', error: ERROR, retryAt: scene.clock.wall() + 10 })
        expect((await scene.claimOne(other)).task.id).toBe(canary.task.id)
        expect(await scene.delivered(other)).toEqual([])
        expect(await one.driver.renew([kept.fence])).toEqual(['renewed'])
        expect(await scene.read(other, kept.task.id)).toMatchObject({ status: 'running', deliveries: 1 })
      }
      await scene.settled(one, kept, { kind: 'succeeded', result: '1' })
    },
  },
  {
    title: '[Q9] a wall clock that steps back lets no lease live longer',
    run: async (scene) => {
      const [one, other] = [await scene.owner(), await scene.owner()]
      const late = await scene.inHand(one)
      scene.time.stepWall(-10 * HOUR)
      await scene.ageLeases(31_000)
      expect((await scene.claimAny(other)).task.id).toBe(late.task.id)
    },
  },
]
