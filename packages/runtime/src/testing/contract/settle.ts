import { expect } from 'vitest'
import { ERROR, HOUR, settlements, type ContractTest } from '../scene.js'
import type { Counters, Settlement, Task, TaskStatus } from '../../task.js'

const NONE: Counters = { attempts: 0, crashes: 0, releases: 0, snoozes: 0, deliveries: 1 }

/** What each settlement leaves of a task that was delivered once. */
function leaves(settlement: Settlement): Partial<Task> & { status: TaskStatus } {
  switch (settlement.kind) {
    case 'retry':
      return { ...NONE, status: 'retrying', attempts: 1, error: ERROR, finishedAt: null }
    case 'failed': {
      const charge = settlement.charge === 'attempt' ? { attempts: 1 } : { crashes: 1 }
      return { ...NONE, ...charge, status: 'failed', error: ERROR, failureReason: settlement.reason }
    }
    case 'crash':
      return { ...NONE, status: 'queued', crashes: 1, error: ERROR, finishedAt: null }
    case 'release':
      return { ...NONE, status: 'queued', releases: 1, finishedAt: null }
    case 'snooze':
      return { ...NONE, status: 'scheduled', snoozes: 1, finishedAt: null }
    default:
      return { ...NONE, status: settlement.kind }
  }
}

export const SETTLE_TESTS: readonly ContractTest[] = [
  {
    title: '[Q6.1] each settlement charges its own counter and nothing else',
    run: async (scene) => {
      const one = await scene.owner()
      for (const settlement of settlements(scene.clock.wall())) {
        const task = await scene.ended(one, settlement)
        const expected = leaves(settlement)
        expect(task, settlement.kind).toMatchObject(expected)
        const final = ['succeeded', 'failed', 'cancelled'].includes(expected.status)
        expect(task.finishedAt !== null, settlement.kind).toBe(final)
        await one.driver.requestCancel(task.id)
      }
    },
  },
  {
    title: '[Q6.1] counters add up over a long life, and what was charged is told with each delivery',
    run: async (scene) => {
      const one = await scene.owner()
      const [task] = await scene.accepted(one, {})
      const life = ['retry', 'release', 'crash', 'snooze', 'retry', 'release', 'crash'] as const
      const charged = { attempts: 0, crashes: 0 }
      for (const [i, kind] of life.entries()) {
        const delivery = await scene.claimAny(one)
        expect(delivery.charged).toEqual(charged)
        expect(delivery.task.deliveries).toBe(i + 1)
        const settlement = settlements(scene.clock.wall()).find((each) => each.kind === kind)!
        await scene.settled(one, delivery, settlement)
        if (kind === 'retry') charged.attempts++
        if (kind === 'crash') charged.crashes++
        scene.time.stepWall(2 * HOUR)
      }
      await scene.settled(one, await scene.claimAny(one), { kind: 'succeeded', result: '1' })
      const expected = {
        attempts: 2,
        crashes: 2,
        releases: 2,
        snoozes: 1,
        deliveries: 8,
        status: 'succeeded',
      }
      expect(await scene.read(one, task!.id)).toMatchObject(expected)
    },
  },
  {
    title: '[Q7] a released task can be claimed at once, by anybody, in its old place',
    run: async (scene) => {
      const [one, other] = [await scene.owner(), await scene.owner()]
      const ids = (await scene.accepted(one, {}, {}, {})).map(({ id }) => id)
      const first = (await scene.claim(one, { max: 1 })).deliveries[0]!
      scene.time.stepWall(HOUR)
      await scene.settled(one, first, { kind: 'release' })
      expect(await scene.delivered(other)).toEqual(ids)
    },
  },
  {
    title: '[Q7] a release costs nothing, however often',
    run: async (scene) => {
      const one = await scene.owner()
      const [task] = await scene.accepted(one, { maxAttempts: 1 })
      for (let i = 0; i < 20; i++) {
        const delivery = (await scene.claim(one)).deliveries[0]!
        expect(delivery.charged).toEqual({ attempts: 0, crashes: 0 })
        await scene.settled(one, delivery, { kind: 'release' })
      }
      expect(await scene.read(one, task!.id)).toMatchObject({
        releases: 20,
        deliveries: 20,
        status: 'queued',
      })
    },
  },
  {
    title: '[Q6.2] a retry waits until its time',
    run: async (scene) => {
      const one = await scene.owner()
      const retryAt = scene.clock.wall() + HOUR
      const task = await scene.ended(one, { kind: 'retry', error: ERROR, retryAt })
      expect(await scene.read(one, task.id)).toMatchObject({ status: 'retrying', readyAt: retryAt })
      expect(await scene.delivered(one)).toEqual([])
      scene.time.stepWall(HOUR / 2)
      expect(await scene.delivered(one)).toEqual([])
      scene.time.stepWall(HOUR / 2)
      expect((await scene.claimOne(one)).task).toMatchObject({ id: task.id, readyAt: retryAt })
    },
  },
  {
    title: '[Q6.2] a snooze waits until its time',
    run: async (scene) => {
      const one = await scene.owner()
      const until = scene.clock.wall() + HOUR
      const task = await scene.ended(one, { kind: 'snooze', until })
      expect(await scene.read(one, task.id)).toMatchObject({ status: 'scheduled', readyAt: until })
      expect(await scene.delivered(one)).toEqual([])
      scene.time.stepWall(HOUR / 2)
      expect(await scene.delivered(one)).toEqual([])
      scene.time.stepWall(HOUR / 2)
      expect((await scene.claimOne(one)).task.id).toBe(task.id)
    },
  },
  {
    title: '[Q6.2] a time that has passed already means at once',
    run: async (scene) => {
      const one = await scene.owner()
      const past = scene.clock.wall() - HOUR
      const retried = await scene.ended(one, { kind: 'retry', error: ERROR, retryAt: past })
      await scene.settled(one, await scene.claimOne(one), { kind: 'snooze', until: past })
      expect((await scene.claimOne(one)).task).toMatchObject({ id: retried.id, deliveries: 3 })
    },
  },
  {
    title: '[Q6.2] tasks that waited are claimed in the order in which they became ready',
    run: async (scene) => {
      const one = await scene.owner()
      const now = scene.clock.wall()
      const late = await scene.ended(one, { kind: 'retry', error: ERROR, retryAt: now + 3 * HOUR })
      const soon = await scene.ended(one, { kind: 'snooze', until: now + HOUR })
      const middle = await scene.ended(one, { kind: 'retry', error: ERROR, retryAt: now + 2 * HOUR })
      scene.time.stepWall(4 * HOUR)
      await scene.until('all are due', async () => (await one.driver.counts()).byType['alpha']?.queued === 3)
      expect(await scene.delivered(one)).toEqual([soon.id, middle.id, late.id])
    },
  },
  {
    title: '[Q5.1] the result is stored byte for byte',
    run: async (scene) => {
      const [one, other] = [await scene.owner(), await scene.owner()]
      const long = JSON.stringify('é𝄞'.repeat(20_000))
      for (const result of [
        'null',
        ' { "b":1,\n"a" : 1.50 } ',
        '"\\u0000\\ud800"',
        '"é\u2028𝄞"',
        '0',
        long,
      ]) {
        const task = await scene.ended(one, { kind: 'succeeded', result })
        expect((await scene.read(other, task.id)).result).toBe(result)
      }
    },
  },
  {
    title: '[Q5.1] nothing but a success leaves a result',
    run: async (scene) => {
      const one = await scene.owner()
      for (const settlement of settlements(scene.clock.wall())) {
        if (settlement.kind === 'succeeded') continue
        const task = await scene.ended(one, settlement)
        expect(task.result, settlement.kind).toBeNull()
        await one.driver.requestCancel(task.id)
      }
    },
  },
  {
    title: '[Q5.1] a success after failures leaves the result and no error',
    run: async (scene) => {
      const one = await scene.owner()
      await scene.ended(one, { kind: 'retry', error: ERROR, retryAt: scene.clock.wall() })
      const delivery = await scene.claimOne(one)
      await scene.settled(one, delivery, { kind: 'succeeded', result: '1' })
      expect(await scene.read(one, delivery.task.id)).toMatchObject({ result: '1', error: null, attempts: 1 })
    },
  },
  {
    title: '[Q7.1] a delivery that would bring a task back ends it when its cancel was requested',
    run: async (scene) => {
      const one = await scene.owner()
      for (const settlement of settlements(scene.clock.wall())) {
        const delivery = await scene.inHand(one)
        expect(await one.driver.requestCancel(delivery.task.id)).toBe('requested')
        await scene.settled(one, delivery, settlement)
        const task = await scene.read(one, delivery.task.id)
        const back = ['retry', 'crash', 'release', 'snooze'].includes(settlement.kind)
        const expected = leaves(back ? { kind: 'cancelled' } : settlement)
        expect(task, settlement.kind).toMatchObject(expected)
        expect(task.finishedAt).not.toBeNull()
      }
      expect(await scene.delivered(one)).toEqual([])
    },
  },
  {
    title: '[Q7.1] a task whose cancel was requested ends cancelled when its worker dies',
    run: async (scene) => {
      const [dying, witness] = [await scene.owner(), await scene.owner()]
      const { task } = await scene.inHand(dying)
      await witness.driver.requestCancel(task.id)
      await scene.dies(dying, witness, [task.id])
      expect(await scene.read(witness, task.id)).toMatchObject({
        status: 'cancelled',
        deliveries: 1,
        crashes: 0,
      })
    },
  },
  {
    title: '[Q5.2] a checkpoint comes with the next delivery, however the one before ended',
    run: async (scene) => {
      const one = await scene.owner()
      const checkpoint = ' {"at": "é𝄞"} '
      for (const kind of ['release', 'retry', 'crash', 'snooze'] as const) {
        const delivery = await scene.inHand(one)
        expect(delivery.checkpoint).toBeNull()
        expect(await one.driver.record(delivery.fence, { checkpoint: '"old"' })).toBe('recorded')
        expect(await one.driver.record(delivery.fence, { checkpoint })).toBe('recorded')
        await scene.settled(
          one,
          delivery,
          settlements(scene.clock.wall()).find((each) => each.kind === kind)!,
        )
        scene.time.stepWall(2 * HOUR)
        const next = await scene.claimAny(one)
        expect(next.checkpoint).toBe(checkpoint)
        await one.driver.record(next.fence, { checkpoint: null })
        await scene.settled(one, next, { kind: 'release' })
        const last = await scene.claimAny(one)
        expect(last.checkpoint).toBeNull()
        await scene.settled(one, last, { kind: 'cancelled' })
      }
    },
  },
  {
    title: '[Q5.2] a checkpoint survives the death of its worker',
    run: async (scene) => {
      const [dying, witness] = [await scene.owner(), await scene.owner()]
      const { fence, task } = await scene.inHand(dying)
      await dying.driver.record(fence, { checkpoint: '{"page":7}' })
      await scene.dies(dying, witness, [task.id])
      expect(await scene.claimAny(witness)).toMatchObject({ checkpoint: '{"page":7}', task: { id: task.id } })
    },
  },
]
