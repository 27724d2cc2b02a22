import { expect } from 'vitest'
import { ERROR, wants, type ContractTest, type Scene } from '../scene.js'

/** Two tasks that were in hand when their owner died, and who saw it. */
async function twoSuspects(scene: Scene) {
  const [dying, witness] = [await scene.owner(), await scene.owner()]
  const ids = (await scene.accepted(dying, {}, { type: 'beta' })).map(({ id }) => id)
  expect(await scene.delivered(dying)).toEqual(ids)
  await scene.dies(dying, witness, ids)
  return { witness, ids }
}

export const SUSPECT_TESTS: readonly ContractTest[] = [
  {
    title: '[Q8.3] tasks that were in hand together when their worker died are delivered one by one, alone',
    run: async (scene) => {
      const { witness, ids } = await twoSuspects(scene)
      const [innocent] = await scene.accepted(witness, {})
      const usual = await scene.claim(witness)
      expect(usual.deliveries.map(({ task }) => task.id)).toEqual([innocent!.id])
      expect(usual.suspects).toBe(2)
      const got: string[] = []
      for (const left of [1, 0]) {
        const alone = await scene.claim(witness, { alone: true })
        expect(alone.deliveries).toHaveLength(1)
        expect(alone.suspects).toBe(left)
        got.push(alone.deliveries[0]!.task.id)
        await scene.settled(witness, alone.deliveries[0]!, { kind: 'succeeded', result: '1' })
      }
      expect(got).toEqual(ids)
    },
  },
  {
    title: '[Q8.3] of several in hand none is charged: they are released',
    run: async (scene) => {
      const { witness, ids } = await twoSuspects(scene)
      for (const id of ids) {
        const expected = { status: 'queued', deliveries: 1, releases: 1, crashes: 0, attempts: 0 }
        expect(await scene.read(witness, id)).toMatchObject(expected)
      }
      expect((await witness.driver.counts()).suspects).toBe(2)
    },
  },
  {
    title: '[Q8.3] a claim with alone delivers suspects only, and only those that are wanted',
    run: async (scene) => {
      const { witness, ids } = await twoSuspects(scene)
      await scene.accepted(witness, {}, { type: 'gamma' })
      expect(await scene.claim(witness, { alone: true, wants: wants('gamma') })).toEqual({
        deliveries: [],
        suspects: 0,
      })
      expect((await scene.claim(witness, { wants: wants('gamma', 'beta') })).suspects).toBe(1)
      expect(await scene.delivered(witness, { alone: true, wants: wants('beta') })).toEqual([ids[1]])
      await witness.driver.pause('alpha')
      expect(await scene.claim(witness, { alone: true })).toEqual({ deliveries: [], suspects: 0 })
    },
  },
  {
    title: '[Q8.5] a claim for nothing tells how many suspects wait',
    run: async (scene) => {
      const { witness } = await twoSuspects(scene)
      expect(await scene.claim(witness, { max: 0 })).toEqual({ deliveries: [], suspects: 2 })
      expect(await scene.delivered(witness, { alone: true })).toHaveLength(1)
      expect(await scene.claim(witness, { max: 0 })).toEqual({ deliveries: [], suspects: 1 })
    },
  },
  {
    title: '[Q8.3] a claim tells of the suspects also where a task is submitted beside it',
    run: async (scene) => {
      const { witness } = await twoSuspects(scene)
      const waiting = scene.claim(witness, { waitMs: 60_000 })
      await scene.accepted(witness, {})
      expect((await waiting).suspects).toBe(2)
    },
  },
  {
    title: '[Q8.3] a task that was alone when its worker died is charged, and stays a suspect',
    run: async (scene) => {
      const witness = await scene.owner()
      const [task] = await scene.accepted(witness, {})
      for (const crashes of [1, 2]) {
        const dying = await scene.owner()
        expect((await scene.claimAny(dying)).task.id).toBe(task!.id)
        await scene.dies(dying, witness, [task!.id])
        expect(await scene.read(witness, task!.id)).toMatchObject({ status: 'queued', crashes, releases: 0 })
        expect(await scene.claim(witness)).toEqual({ deliveries: [], suspects: 1 })
      }
      const dying = await scene.owner()
      await scene.claimAny(dying)
      await scene.dies(dying, witness, [task!.id])
      const expected = { status: 'failed', failureReason: 'crashed', crashes: 3, deliveries: 3 }
      expect(await scene.read(witness, task!.id)).toMatchObject(expected)
    },
  },
  {
    title: '[Q8.3] the number of crashes that fail a task is a limit of the queue',
    run: async (scene) => {
      const [dying, witness] = [await scene.owner({ maxCrashes: 1 }), await scene.owner({ maxCrashes: 1 })]
      const { task } = await scene.inHand(dying)
      await scene.dies(dying, witness, [task.id])
      expect(await scene.read(witness, task.id)).toMatchObject({ status: 'failed', failureReason: 'crashed' })
    },
  },
  {
    title: '[Q8.3] crashes from before a replay do not count',
    run: async (scene) => {
      const witness = await scene.owner()
      const [task] = await scene.accepted(witness, {})
      const die = async () => {
        const dying = await scene.owner()
        await scene.claimAny(dying)
        await scene.dies(dying, witness, [task!.id])
        return scene.read(witness, task!.id)
      }
      for (let crashes = 1; crashes <= 3; crashes++) expect(await die()).toMatchObject({ crashes })
      expect(await witness.driver.replay(task!.id)).toBe('replayed')
      expect(await die()).toMatchObject({ status: 'queued', crashes: 4 })
      expect(await die()).toMatchObject({ status: 'queued', crashes: 5 })
      expect(await die()).toMatchObject({ status: 'failed', failureReason: 'crashed', crashes: 6 })
    },
  },
  {
    title: '[Q8.3] a suspect whose delivery ended otherwise is one no more',
    run: async (scene) => {
      const { witness, ids } = await twoSuspects(scene)
      const alone = (await scene.claim(witness, { alone: true })).deliveries[0]!
      await scene.settled(witness, alone, { kind: 'release' })
      const usual = await scene.claim(witness)
      expect(usual.deliveries.map(({ task }) => task.id)).toEqual([ids[0]])
      expect(usual.suspects).toBe(1)
    },
  },
  {
    title: '[Q8.3] a suspect that crashed again is still one',
    run: async (scene) => {
      const { witness } = await twoSuspects(scene)
      const alone = (await scene.claim(witness, { alone: true })).deliveries[0]!
      await scene.settled(witness, alone, { kind: 'crash', error: ERROR })
      expect(await scene.claim(witness)).toEqual({ deliveries: [], suspects: 2 })
    },
  },
  {
    title: '[Q8.3] a suspect can be cancelled, and is delivered no more',
    run: async (scene) => {
      const { witness, ids } = await twoSuspects(scene)
      expect(await witness.driver.requestCancel(ids[0]!)).toBe('cancelled')
      expect(await scene.delivered(witness, { alone: true })).toEqual([ids[1]])
      expect(await scene.claim(witness)).toEqual({ deliveries: [], suspects: 0 })
    },
  },
]
