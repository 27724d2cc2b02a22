import { expect } from 'vitest'
import { ERROR, HOUR, KEEP_ALL, type ContractTest } from '../scene.js'

const key = (name: string, scope = 'team') => ({ scope, key: name })
const PRUNE_ALL = { ...KEEP_ALL, succeeded: { maxAgeMs: 0, maxCount: 0 } }

export const SUBMIT_TESTS: readonly ContractTest[] = [
  {
    title: '[Q1] an accepted task can be read by another owner at once',
    run: async (scene) => {
      const [one, other] = [await scene.owner(), await scene.owner()]
      const [task] = await scene.accepted(one, { payload: '{ "a": 1 }' })
      expect(await scene.read(other, task!.id)).toMatchObject({ payload: '{ "a": 1 }', status: 'queued' })
    },
  },
  {
    title: '[Q1] accepted tasks survive the death of every owner',
    run: async (scene) => {
      const one = await scene.owner()
      if (one.driver.capabilities.durability === 'none') scene.skip('durability is none')
      const tasks = await scene.accepted(one, {}, {}, {})
      await one.crash()
      await scene.fixture.reopenStore?.()
      const next = await scene.owner()
      for (const { id, payload } of tasks) expect(await scene.read(next, id)).toMatchObject({ payload })
    },
  },
  {
    title: '[Q1.1] one conflict refuses all of the call and nothing is stored',
    run: async (scene) => {
      const one = await scene.owner()
      const [taken] = await scene.accepted(one, {})
      const [first, last] = [scene.task({ idempotency: key('k') }), scene.task()]
      const answers = await scene.submit(one, first, { ...taken!, payload: '{"other":1}' }, last)
      expect(answers).toEqual([
        { kind: 'not_submitted' },
        { kind: 'conflict', by: 'id', id: taken!.id },
        { kind: 'not_submitted' },
      ])
      expect(await one.driver.get(first.id)).toBeNull()
      expect(await one.driver.get(last.id)).toBeNull()
      expect(await scene.delivered(one)).toEqual([taken!.id])
      // the refused task's key was not remembered either
      expect(await scene.submit(one, { ...first, payload: '{"now":1}' })).toMatchObject([
        { kind: 'accepted' },
      ])
    },
  },
  {
    title: '[Q1.1] a call without a refusal answers each task in its place',
    run: async (scene) => {
      const one = await scene.owner()
      const [known] = await scene.accepted(one, {})
      const fresh = scene.task()
      const answers = await scene.submit(one, known!, fresh)
      expect(answers).toMatchObject([
        { kind: 'duplicate', task: { id: known!.id } },
        { kind: 'accepted', task: { id: fresh.id, type: 'alpha', status: 'queued' } },
      ])
    },
  },
  {
    title: '[Q1.2] a task of the future is scheduled, one of now or the past is queued',
    run: async (scene) => {
      const one = await scene.owner()
      const now = scene.clock.wall()
      const [later, at, before] = await scene.accepted(
        one,
        { runAt: now + HOUR },
        { runAt: now },
        { runAt: now - HOUR },
      )
      expect(await scene.read(one, later!.id)).toMatchObject({ status: 'scheduled', runAt: now + HOUR })
      expect(await scene.read(one, at!.id)).toMatchObject({ status: 'queued' })
      expect(await scene.read(one, before!.id)).toMatchObject({ status: 'queued' })
    },
  },
  {
    title: '[Q10] the same key and payload answers the first task, under whatever id it comes',
    run: async (scene) => {
      const [one, other] = [await scene.owner(), await scene.owner()]
      const [first] = await scene.accepted(one, { payload: '{"a":1}', idempotency: key('k') })
      const again = scene.task({ payload: '{"a":1}', idempotency: key('k') })
      const createdAt = (await scene.read(one, first!.id)).createdAt
      const task = { id: first!.id, type: 'alpha', status: 'queued', createdAt }
      expect(await scene.submit(other, again)).toEqual([{ kind: 'duplicate', task }])
      expect(await other.driver.get(again.id)).toBeNull()
    },
  },
  {
    title: '[Q10] a key is remembered when its task was pruned, and forgotten after its time',
    run: async (scene) => {
      const one = await scene.owner({ idempotencyTtlMs: 10 * HOUR })
      const fields = { payload: '{"a":1}', idempotency: key('k') }
      const done = await scene.ended(one, { kind: 'succeeded', result: '1' }, fields)
      scene.time.stepWall(HOUR)
      expect(await one.driver.prune(PRUNE_ALL, { limit: 10, deadlineMs: 5_000 })).toBe(1)
      expect(await one.driver.get(done.id)).toBeNull()
      const task = { id: done.id, type: 'alpha', status: null, createdAt: done.createdAt }
      expect(await scene.submit(one, scene.task(fields))).toEqual([{ kind: 'duplicate', task }])
      scene.time.stepWall(10 * HOUR)
      expect(await scene.submit(one, scene.task(fields))).toMatchObject([{ kind: 'accepted' }])
    },
  },
  {
    title: '[Q10] a remembered key never speaks for another task that was given the same id since',
    run: async (scene) => {
      const one = await scene.owner()
      const fields = { payload: '{"a":1}', idempotency: key('k') }
      const { id, createdAt } = await scene.ended(one, { kind: 'succeeded', result: '1' }, fields)
      scene.time.stepWall(HOUR)
      await one.driver.prune(PRUNE_ALL, { limit: 10, deadlineMs: 5_000 })
      await scene.accepted(one, { id, payload: '{"b":2}' })
      const task = { id, type: 'alpha', status: null, createdAt }
      expect(await scene.submit(one, scene.task(fields))).toEqual([{ kind: 'duplicate', task }])
    },
  },
  {
    title: '[Q10] of many equal submits at once exactly one is accepted',
    run: async (scene) => {
      const owners = [await scene.owner(), await scene.owner()]
      const submits = Array.from({ length: 40 }, (_, i) =>
        scene.submit(owners[i % 2]!, scene.task({ payload: '{"a":1}', idempotency: key('k') })),
      )
      const answers = (await Promise.all(submits)).flat()
      expect(answers.filter(({ kind }) => kind === 'accepted')).toHaveLength(1)
      expect(answers.filter(({ kind }) => kind === 'duplicate')).toHaveLength(39)
      expect(new Set(answers.map((answer) => 'task' in answer && answer.task.id)).size).toBe(1)
    },
  },
  {
    title: '[Q10] equal tasks in one call are one task',
    run: async (scene) => {
      const one = await scene.owner()
      const pair = [1, 2].map(() => scene.task({ payload: '{"a":1}', idempotency: key('k') }))
      const id = pair[0]!.id
      expect(await scene.submit(one, ...pair)).toMatchObject([
        { kind: 'accepted', task: { id } },
        { kind: 'duplicate', task: { id } },
      ])
      expect(await scene.delivered(one)).toEqual([id])
    },
  },
  {
    title: '[Q10.1] the same key with another payload or version answers conflict',
    run: async (scene) => {
      const one = await scene.owner()
      const [first] = await scene.accepted(one, { payload: '{"a":1}', idempotency: key('k') })
      const conflict = { kind: 'conflict', by: 'key', id: first!.id }
      const otherPayload = scene.task({ payload: '{"a":2}', idempotency: key('k') })
      const otherVersion = scene.task({ payload: '{"a":1}', version: 2, idempotency: key('k') })
      expect(await scene.submit(one, otherPayload)).toEqual([conflict])
      expect(await scene.submit(one, otherVersion)).toEqual([conflict])
      expect(await one.driver.get(otherPayload.id)).toBeNull()
    },
  },
  {
    title: '[Q10.1] payloads that differ in key order and white space only are the same',
    run: async (scene) => {
      const one = await scene.owner()
      const first = { payload: '{"a":[1,{"x":null,"y":"é"}],"b":1.5}', idempotency: key('k') }
      await scene.accepted(one, first)
      const spelled = '{ "b" : 1.50,\n "a": [1, {"y":"\\u00e9", "x": null}] }'
      const again = scene.task({ payload: spelled, idempotency: key('k') })
      expect(await scene.submit(one, again)).toMatchObject([{ kind: 'duplicate' }])
      const order = scene.task({ payload: '{"a":[{"x":null,"y":"é"},1],"b":1.5}', idempotency: key('k') })
      expect(await scene.submit(one, order)).toMatchObject([{ kind: 'conflict' }])
    },
  },
  {
    title: '[Q10.2] a taken id answers duplicate for the same task and conflict for another',
    run: async (scene) => {
      const [one, other] = [await scene.owner(), await scene.owner()]
      const [first] = await scene.accepted(one, { payload: '{"a":1,"b":2}' })
      const conflict = { kind: 'conflict', by: 'id', id: first!.id }
      expect(await scene.submit(other, { ...first!, payload: '{"b":2, "a":1}' })).toMatchObject([
        { kind: 'duplicate', task: { id: first!.id, status: 'queued' } },
      ])
      expect(await scene.submit(other, { ...first!, payload: '{"a":1}' })).toEqual([conflict])
      expect(await scene.submit(other, { ...first!, type: 'beta' })).toEqual([conflict])
      expect(await scene.read(one, first!.id)).toMatchObject({ type: 'alpha', payload: '{"a":1,"b":2}' })
    },
  },
  {
    title: '[Q10.2] an id is free again once its task was pruned',
    run: async (scene) => {
      const one = await scene.owner()
      const done = await scene.ended(one, { kind: 'succeeded', result: '1' })
      scene.time.stepWall(HOUR)
      await one.driver.prune(PRUNE_ALL, { limit: 10, deadlineMs: 5_000 })
      const next = scene.task({ id: done.id, type: 'beta' })
      expect(await scene.submit(one, next)).toMatchObject([{ kind: 'accepted', task: { id: done.id } }])
      expect(await scene.read(one, done.id)).toMatchObject({ type: 'beta', deliveries: 0, result: null })
    },
  },
  {
    title: '[Q10.3] the same key in another scope or of another type is another key',
    run: async (scene) => {
      const one = await scene.owner()
      await scene.accepted(
        one,
        { payload: '1', idempotency: key('k') },
        { payload: '2', idempotency: key('k', 'other') },
        { payload: '3', idempotency: key('k'), type: 'beta' },
        // nothing that joins scope, type and key into one text may mix these up
        { payload: '4', idempotency: key('b k', 'a') },
        { payload: '5', idempotency: key('k', 'a b') },
      )
      expect(await scene.delivered(one)).toHaveLength(5)
    },
  },
  {
    title: '[Q12] a full queue answers full with a time to come again, and stores nothing',
    run: async (scene) => {
      const one = await scene.owner({ maxWaiting: 3 })
      const now = scene.clock.wall()
      await scene.accepted(one, {}, { runAt: now + HOUR })
      const [first, second] = [scene.task(), scene.task()]
      const answers = await scene.submit(one, first, second)
      expect(answers.filter(({ kind }) => kind === 'full').length).toBeGreaterThan(0)
      expect(answers.every(({ kind }) => kind === 'full' || kind === 'not_submitted')).toBe(true)
      for (const answer of answers) {
        if (answer.kind === 'full') expect(answer.retryAfterMs).toBeGreaterThan(0)
      }
      expect(await one.driver.get(first.id)).toBeNull()
      expect(await scene.submit(one, first)).toMatchObject([{ kind: 'accepted' }])
      expect(await scene.submit(one, second)).toMatchObject([{ kind: 'full', waiting: 3 }])
    },
  },
  {
    title: '[Q12] a full queue still answers duplicate: it would not hold more for it',
    run: async (scene) => {
      const one = await scene.owner({ maxWaiting: 1 })
      const [task] = await scene.accepted(one, { payload: '1', idempotency: key('k') })
      const again = scene.task({ payload: '1', idempotency: key('k') })
      expect(await scene.submit(one, task!)).toMatchObject([{ kind: 'duplicate', task: { id: task!.id } }])
      expect(await scene.submit(one, again)).toMatchObject([{ kind: 'duplicate', task: { id: task!.id } }])
    },
  },
  {
    title: '[Q12] tasks that run do not wait, those that come back do',
    run: async (scene) => {
      const one = await scene.owner({ maxWaiting: 1 })
      const delivery = await scene.inHand(one)
      const [second] = await scene.accepted(one, {})
      expect(await scene.submit(one, scene.task())).toMatchObject([{ kind: 'full' }])
      await one.driver.requestCancel(second!.id)
      await scene.settled(one, delivery, { kind: 'retry', error: ERROR, retryAt: scene.clock.wall() + HOUR })
      expect(await scene.submit(one, scene.task())).toMatchObject([{ kind: 'full' }])
    },
  },
]
