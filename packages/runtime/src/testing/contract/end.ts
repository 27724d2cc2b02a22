import { expect } from 'vitest'
import type { QueueDriver, Retention } from '../../queue.js'
import { ERROR, HOUR, KEEP_ALL, wants, type ContractTest, type Scene } from '../scene.js'
import type { Settlement } from '../../task.js'
import type { TestOwner } from '../queue-fixture.js'

const SUCCEEDED: Settlement = { kind: 'succeeded', result: '1' }
const FAILED: Settlement = { kind: 'failed', reason: 'exhausted', error: ERROR, charge: 'attempt' }
const CANCELLED: Settlement = { kind: 'cancelled' }
const PATIENT = { limit: 1_000, deadlineMs: 5_000 }

/** Ends one task with each settlement, a minute apart: the ids, oldest end first. */
async function endedInTurn(
  scene: Scene,
  one: TestOwner,
  ...ends: readonly Settlement[]
): Promise<readonly string[]> {
  const ids: string[] = []
  for (const end of ends) {
    ids.push((await scene.ended(one, end)).id)
    scene.time.stepWall(60_000)
  }
  return ids
}

async function remaining({ driver }: TestOwner, ids: readonly string[]): Promise<readonly string[]> {
  const found = await Promise.all(ids.map((id) => driver.get(id)))
  return ids.filter((_, i) => found[i] !== null)
}

/** Every member that asks the queue something. */
function members(driver: QueueDriver, scene: Scene): readonly (readonly [string, () => Promise<unknown>])[] {
  return [
    ['submit', () => driver.submit([scene.task()])],
    ['claim', () => driver.claim({ wants: wants('alpha'), max: 1 })],
    ['renew', () => driver.renew(['x'])],
    ['settle', () => driver.settle('x', { kind: 'release' })],
    ['record', () => driver.record('x', {})],
    ['requestCancel', () => driver.requestCancel('x')],
    ['replay', () => driver.replay('x')],
    ['get', () => driver.get('x')],
    ['list', () => driver.list({ limit: 1 })],
    ['counts', () => driver.counts()],
    ['pause', () => driver.pause('alpha')],
    ['resume', () => driver.resume('alpha')],
    ['prune', () => driver.prune(KEEP_ALL, PATIENT)],
  ]
}

export const END_TESTS: readonly ContractTest[] = [
  {
    title: '[Q5.5] final tasks past their age are deleted, each kind by its own',
    run: async (scene) => {
      const one = await scene.owner()
      const ids = await endedInTurn(scene, one, SUCCEEDED, FAILED, CANCELLED)
      scene.time.stepWall(HOUR)
      await endedInTurn(scene, one, SUCCEEDED, FAILED, CANCELLED)
      const old = { maxAgeMs: HOUR / 2, maxCount: 100 }
      const never = { maxAgeMs: 100 * HOUR, maxCount: 100 }
      expect(await one.driver.prune({ succeeded: old, failed: never }, PATIENT)).toBe(1)
      expect(await remaining(one, ids)).toEqual(ids.slice(1))
      expect(await one.driver.prune({ succeeded: old, failed: old }, PATIENT)).toBe(2)
      expect(await remaining(one, ids)).toEqual([])
      expect((await one.driver.list({ limit: 100 })).tasks).toHaveLength(3)
    },
  },
  {
    title:
      '[Q5.5] final tasks beyond their number are deleted, oldest first, failed and cancelled counted together',
    run: async (scene) => {
      const one = await scene.owner()
      const ends = [FAILED, CANCELLED, SUCCEEDED, CANCELLED, SUCCEEDED, FAILED]
      const ids = await endedInTurn(scene, one, ...ends)
      const policy = {
        succeeded: { maxAgeMs: 100 * HOUR, maxCount: 1 },
        failed: { maxAgeMs: 100 * HOUR, maxCount: 2 },
      }
      expect(await one.driver.prune(policy, PATIENT)).toBe(3)
      expect(await remaining(one, ids)).toEqual(ids.slice(3))
    },
  },
  {
    title: '[Q5.5] at most limit tasks are deleted at once, oldest first',
    run: async (scene) => {
      const one = await scene.owner()
      const ids = await endedInTurn(scene, one, FAILED, SUCCEEDED, CANCELLED, SUCCEEDED, FAILED)
      const nothing = { maxAgeMs: 0, maxCount: 0 }
      const policy = { succeeded: nothing, failed: nothing }
      expect(await one.driver.prune(policy, { ...PATIENT, limit: 2 })).toBe(2)
      expect(await remaining(one, ids)).toEqual(ids.slice(2))
      expect(await one.driver.prune(policy, PATIENT)).toBe(3)
      expect(await one.driver.prune(policy, PATIENT)).toBe(0)
    },
  },
  {
    title: '[Q5.6] a dry run answers how many would be deleted, and deletes nothing',
    run: async (scene) => {
      const one = await scene.owner()
      const old = await endedInTurn(scene, one, FAILED, SUCCEEDED, CANCELLED)
      scene.time.stepWall(HOUR)
      const ids = [...old, ...(await endedInTurn(scene, one, SUCCEEDED, FAILED, SUCCEEDED))]
      const dry = async (keep: Retention['failed'], limit = 10) =>
        one.driver.prune({ succeeded: keep, failed: keep }, { ...PATIENT, limit, dryRun: true })
      expect(await dry({ maxAgeMs: HOUR / 2, maxCount: Infinity })).toBe(3)
      expect(await dry({ maxAgeMs: Infinity, maxCount: 1 })).toBe(4)
      expect(await dry({ maxAgeMs: HOUR / 2, maxCount: 0 })).toBe(6)
      expect(await dry({ maxAgeMs: 0, maxCount: 0 }, 5)).toBe(5)
      expect(await dry({ maxAgeMs: Infinity, maxCount: Infinity })).toBe(0)
      expect(await remaining(one, ids)).toEqual(ids)
    },
  },
  {
    title: '[Q5.5] nothing that is not final is ever pruned',
    run: async (scene) => {
      const one = await scene.owner()
      const now = scene.clock.wall()
      const kept = [
        (await scene.ended(one, { kind: 'retry', error: ERROR, retryAt: now + 900 * HOUR })).id,
        (await scene.ended(one, { kind: 'snooze', until: now + 900 * HOUR })).id,
        (await scene.inHand(one)).task.id,
        ...(await scene.accepted(one, {}, { runAt: now + 900 * HOUR })).map(({ id }) => id),
      ]
      const replayed = await scene.ended(one, FAILED, { type: 'beta', priority: 100 })
      await one.driver.replay(replayed.id)
      scene.time.stepWall(100 * HOUR)
      const nothing = { maxAgeMs: 0, maxCount: 0 }
      expect(await one.driver.prune({ succeeded: nothing, failed: nothing }, PATIENT)).toBe(0)
      expect(await remaining(one, [...kept, replayed.id])).toHaveLength(6)
    },
  },
  {
    title: '[Q5.5] a retention without an end deletes nothing',
    run: async (scene) => {
      const one = await scene.owner()
      const ids = await endedInTurn(scene, one, SUCCEEDED, FAILED, CANCELLED)
      scene.time.stepWall(1_000 * HOUR)
      expect(await one.driver.prune(KEEP_ALL, PATIENT)).toBe(0)
      expect(await remaining(one, ids)).toEqual(ids)
    },
  },
  {
    title: '[Q12.2] a prune ends by its deadline with the store frozen',
    run: async (scene) => {
      const one = await scene.owner()
      await scene.ended(one, SUCCEEDED)
      const freeze = scene.needs(scene.fixture.freeze, 'the fixture cannot freeze the store')
      const thaw = await freeze()
      // it may answer how far it came, or say that it does not know: it must not hang
      const ended = await one.driver.prune(KEEP_ALL, { limit: 10, deadlineMs: 200 }).then(
        () => 'answered',
        () => 'rejected',
      )
      await thaw()
      expect(['answered', 'rejected']).toContain(ended)
    },
  },
  {
    title: '[Q12.2] a prune that has no time left still ends, and deletes no more than it says',
    run: async (scene) => {
      const one = await scene.owner()
      const ids = await endedInTurn(scene, one, SUCCEEDED, SUCCEEDED, FAILED)
      const nothing = { maxAgeMs: 0, maxCount: 0 }
      const pruned = await one.driver.prune(
        { succeeded: nothing, failed: nothing },
        { limit: 10, deadlineMs: 0 },
      )
      expect(await remaining(one, ids)).toHaveLength(ids.length - pruned)
    },
  },
  {
    title: '[Q12.1] close ends by its deadline with the store frozen',
    run: async (scene) => {
      const one = await scene.owner()
      await scene.inHand(one)
      const freeze = scene.needs(scene.fixture.freeze, 'the fixture cannot freeze the store')
      const thaw = await freeze()
      const underWay = one.driver.submit([scene.task()]).then(
        () => 'answered',
        () => 'rejected',
      )
      await one.driver.close({ deadlineMs: 200 })
      expect(await underWay).toBe('rejected')
      await thaw()
      await expect(one.driver.counts()).rejects.toMatchObject({ code: 'queue_closed' })
    },
  },
  {
    title: '[Q12.1] close leaves what is in hand to the recovery, and answers a waiting claim with nothing',
    run: async (scene) => {
      const [one, other] = [await scene.owner(), await scene.owner()]
      const { task } = await scene.inHand(one)
      const waiting = one.driver.claim({ wants: wants('alpha'), max: 1, waitMs: 60_000 })
      await one.driver.close({ deadlineMs: 5_000 })
      expect(await waiting).toEqual({ deliveries: [], suspects: 0 })
      await scene.ageLeases(31_000)
      expect((await scene.claimAny(other)).task).toMatchObject({ id: task.id, deliveries: 2 })
    },
  },
  {
    title: '[Q0] after close every member rejects with queue_closed',
    run: async (scene) => {
      const one = await scene.owner()
      await one.driver.close({ deadlineMs: 5_000 })
      for (const [name, call] of members(one.driver, scene)) {
        await expect(call(), name).rejects.toMatchObject({ code: 'queue_closed' })
      }
    },
  },
  {
    title: '[Q0] a second close is no error',
    run: async (scene) => {
      const one = await scene.owner()
      await one.driver.close({ deadlineMs: 5_000 })
      await expect(one.driver.close({ deadlineMs: 5_000 })).resolves.toBeUndefined()
    },
  },
]
