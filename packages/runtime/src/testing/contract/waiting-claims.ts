import { expect } from 'vitest'
import type { ContractTest } from '../scene.js'

/** Long enough that a claim which is not woken fails the test by its time limit. */
const LONG = 60_000
const NOTHING = { deliveries: [], suspects: 0 }

export const WAITING_CLAIM_TESTS: readonly ContractTest[] = [
  {
    title: '[Q8.5] a waiting claim answers as soon as its own owner submits',
    run: async (scene) => {
      const one = await scene.owner()
      const waiting = scene.delivered(one, { waitMs: LONG })
      const [task] = await scene.accepted(one, {})
      expect(await waiting).toEqual([task!.id])
    },
  },
  {
    title: '[Q8.5] a waiting claim answers when another owner submits',
    run: async (scene) => {
      const [one, other] = [await scene.owner(), await scene.owner()]
      const waiting = scene.delivered(one, { waitMs: LONG })
      const [task] = await scene.accepted(other, {})
      expect(await waiting).toEqual([task!.id])
    },
  },
  {
    title: '[Q8.5] a waiting claim answers when a task is released, replayed or its type resumed',
    run: async (scene) => {
      const [one, other] = [await scene.owner(), await scene.owner()]
      const delivery = await scene.inHand(other)
      const forReleased = scene.claim(one, { waitMs: LONG })
      await scene.settled(other, delivery, { kind: 'release' })
      const released = (await forReleased).deliveries[0]!
      expect(released.task.id).toBe(delivery.task.id)

      await scene.settled(one, released, { kind: 'cancelled' })
      const forReplayed = scene.delivered(one, { waitMs: LONG })
      await other.driver.replay(delivery.task.id)
      expect(await forReplayed).toEqual([delivery.task.id])

      await other.driver.pause('beta')
      const [paused] = await scene.accepted(other, { type: 'beta' })
      const forResumed = scene.delivered(one, { waitMs: LONG })
      await other.driver.resume('beta')
      expect(await forResumed).toEqual([paused!.id])
    },
  },
  {
    title: '[Q8.5] a waiting claim answers when a scheduled task comes due',
    run: async (scene) => {
      const one = await scene.owner()
      const [task] = await scene.accepted(one, { runAt: scene.clock.wall() + 60 })
      expect(await scene.delivered(one, { waitMs: LONG })).toEqual([task!.id])
    },
  },
  {
    title: '[Q8.4] a task that has expired by its submit is not given to a claim that waits, but failed',
    run: async (scene) => {
      const one = await scene.owner()
      const waiting = scene.delivered(one, { waitMs: LONG })
      const [late] = await scene.accepted(one, { expiresAt: scene.clock.wall() - 1 })
      const [next] = await scene.accepted(one, {})
      expect(await waiting).toEqual([next!.id])
      expect(await scene.delivered(one)).toEqual([])
      await scene.until('it has failed', async () => (await scene.read(one, late!.id)).status === 'failed')
      expect(await scene.read(one, late!.id)).toMatchObject({ failureReason: 'expired', deliveries: 0 })
    },
  },
  {
    title: '[Q8.1] a task that was scheduled comes in the place of its priority when it is due',
    run: async (scene) => {
      const one = await scene.owner()
      const runAt = scene.clock.wall() + 60_000
      const [low, high] = await scene.accepted(one, { runAt }, { runAt, priority: 5 })
      scene.time.stepWall(61_000)
      await scene.until('both are due', async () => (await one.driver.counts()).byType['alpha']?.queued === 2)
      expect(await scene.delivered(one)).toEqual([high!.id, low!.id])
    },
  },
  {
    title: '[Q8.5] a claim whose wait is over answers empty',
    run: async (scene) => {
      const one = await scene.owner()
      expect(await scene.claim(one, { waitMs: 20 })).toEqual(NOTHING)
      expect(await scene.claim(one)).toEqual(NOTHING)
    },
  },
  {
    title: '[Q8.5] of two waiting claims the older is answered first, then the other',
    run: async (scene) => {
      const one = await scene.owner()
      const older = scene.delivered(one, { max: 1, waitMs: LONG })
      const newer = scene.delivered(one, { max: 1, waitMs: LONG })
      const [first] = await scene.accepted(one, {})
      expect(await older).toEqual([first!.id])
      const [second] = await scene.accepted(one, {})
      expect(await newer).toEqual([second!.id])
    },
  },
  {
    title:
      '[Q8.5] what is submitted at once goes to the waiting claims in order, no more to each than it asked for',
    run: async (scene) => {
      const one = await scene.owner()
      const older = scene.delivered(one, { max: 2, waitMs: LONG })
      const newer = scene.delivered(one, { max: 2, waitMs: LONG })
      const submits = await Promise.all(Array.from({ length: 5 }, () => scene.accepted(one, {})))
      const given = [await older, await newer, await scene.delivered(one)]
      expect(given.flat()).toEqual(submits.map(([task]) => task!.id))
      expect(given.slice(0, 2).every((ids) => ids.length <= 2)).toBe(true)
    },
  },
  {
    title: '[Q8.5] a claim for nothing makes the waiting ones answer empty',
    run: async (scene) => {
      const one = await scene.owner()
      const waiting = [scene.claim(one, { waitMs: LONG }), scene.claim(one, { waitMs: LONG })]
      expect(await scene.claim(one, { wants: [], max: 0 })).toEqual(NOTHING)
      expect(await Promise.all(waiting)).toEqual([NOTHING, NOTHING])
      await scene.accepted(one, {})
      expect(await scene.delivered(one)).toHaveLength(1)
    },
  },
  {
    title: '[Q8.5] a waiting claim is passed over for a task that it does not want',
    run: async (scene) => {
      const one = await scene.owner()
      const older = scene.claim(one, { wants: [{ type: 'beta', versions: [1], free: 1 }], waitMs: LONG })
      const newer = scene.delivered(one, { wants: [{ type: 'alpha', versions: [1], free: 1 }], waitMs: LONG })
      const [task] = await scene.accepted(one, { type: 'alpha' })
      expect(await newer).toEqual([task!.id])
      await scene.claim(one, { wants: [], max: 0 })
      expect(await older).toEqual(NOTHING)
    },
  },
  {
    title: '[Q8.5] a waiting claim takes no more than it asked for',
    run: async (scene) => {
      const one = await scene.owner()
      const asked = [{ type: 'beta', versions: [1], free: 1 }]
      const waiting = scene.delivered(one, { wants: asked, waitMs: LONG })
      const [, first] = await scene.accepted(one, {}, { type: 'beta' }, { type: 'beta' })
      expect(await waiting).toEqual([first!.id])
    },
  },
  {
    title: '[Q8.1] what waited before goes before what is submitted beside the claim',
    run: async (scene) => {
      const one = await scene.owner()
      const [before] = await scene.accepted(one, {})
      const waiting = scene.delivered(one, { max: 1, waitMs: LONG })
      const [beside] = await scene.accepted(one, {})
      expect(await waiting).toEqual([before!.id])
      expect(await scene.delivered(one)).toEqual([beside!.id])
    },
  },
  {
    title: '[Q8.1] where not all fit, an older rank goes before what is submitted beside the claim',
    run: async (scene) => {
      const one = await scene.owner()
      const [low, older] = await scene.accepted(one, { priority: -1 }, {})
      const waiting = scene.delivered(one, { max: 2, waitMs: LONG })
      const [beside] = await scene.accepted(one, {})
      const given = await waiting
      expect([...given, ...(await scene.delivered(one))].toSorted()).toEqual(
        [low!.id, older!.id, beside!.id].toSorted(),
      )
      expect(given).toContain(older!.id)
    },
  },
  {
    title: '[Q8.1] a lower rank does not go with a part of the batch that is submitted beside the claim',
    run: async (scene) => {
      const one = await scene.owner()
      const [low] = await scene.accepted(one, { priority: -1 })
      const waiting = scene.delivered(one, { max: 3, waitMs: LONG })
      const batch = await scene.accepted(one, {}, {}, {}, {})
      const firstThree = batch.slice(0, 3).map(({ id }) => id)
      // the batch is accepted as a whole, before the claim or after it
      expect([[low!.id], firstThree]).toContainEqual(await waiting)
    },
  },
  {
    title: '[Q8] what is submitted beside the claim is delivered up to the free places of its type',
    run: async (scene) => {
      const one = await scene.owner()
      const asked = [{ type: 'beta', versions: [1], free: 2 }]
      const waiting = scene.delivered(one, { wants: asked, max: 9, waitMs: LONG })
      const beta = { type: 'beta' }
      const submits = await Promise.all([1, 2, 3, 4].map(() => scene.accepted(one, beta)))
      const given = await waiting
      expect(given).toEqual(submits.slice(0, given.length).map(([task]) => task!.id))
      expect(given.length).toBeLessThanOrEqual(2)
    },
  },
  {
    title: '[Q8.2] of a paused type nothing is delivered that is submitted beside the claim',
    run: async (scene) => {
      const one = await scene.owner()
      await one.driver.pause('alpha')
      const waiting = scene.claim(one, { waitMs: 50 })
      const [task] = await scene.accepted(one, {})
      expect(await waiting).toEqual(NOTHING)
      expect(await scene.read(one, task!.id)).toMatchObject({ status: 'queued', deliveries: 0 })
    },
  },
  {
    title: '[Q8.2] what is scheduled or of another version is not delivered to the claim beside it',
    run: async (scene) => {
      const one = await scene.owner()
      const waiting = scene.claim(one, { waitMs: 50 })
      await Promise.all([
        scene.accepted(one, { runAt: scene.clock.wall() + 3_600_000 }),
        scene.accepted(one, { version: 2 }),
      ])
      expect(await waiting).toEqual(NOTHING)
    },
  },
  {
    title: '[Q8.5] owners are woken when there may be something to claim',
    run: async (scene) => {
      const [one, other] = [await scene.owner(), await scene.owner()]
      await scene.accepted(other, {})
      await scene.until('the owner was woken', () => one.wakes.some(({ ready }) => ready))
      expect(await scene.delivered(one)).toHaveLength(1)
    },
  },
]
