import { WorkerError } from '@mcp-worker/runtime'
import { expect, test } from 'vitest'
import { HOUR, createHarness } from './cleanup-harness.js'

const optimize = { type: 'vector_index', payload: { operation: 'optimize' } }
const targets = { vectors: { kind: 'tasks', tasks: [optimize] }, task_results: { kind: 'task_results' } }

test('a target of tasks asks their handlers, under keys that a redelivery repeats', async () => {
  const { run } = await createHarness({ targets })
  const keys: string[] = []
  const submit = async (type: string, payload: unknown, { key }: { key: string }) => {
    keys.push(`${type} ${key} ${JSON.stringify(payload)}`)
    return { id: `child-${key}`, duplicate: false }
  }
  const context = { submit }
  expect(await run({ target: 'vectors' }, context)).toMatchObject({
    tasks: [{ type: 'vector_index', id: 'child-0' }],
  })
  await run({ target: 'vectors' }, { ...context, task: { delivery: 2, deadline: Date.now() + HOUR } })
  expect(keys).toEqual(Array(2).fill('vector_index 0 {"operation":"optimize"}'))
})

function refuse(): Promise<never> {
  return Promise.reject(new Error('asked'))
}

test('a dry run asks nobody', async () => {
  const { run } = await createHarness({ targets })
  expect(await run({ target: 'vectors', dry_run: true }, { submit: refuse })).toMatchObject({
    tasks: [{ id: null }],
  })
})

test('a task that its handler refuses ends this one for good, with the faults', async () => {
  const { run } = await createHarness({ targets })
  const faults = [{ path: 'operation', message: 'unknown' }]
  const submit = () =>
    Promise.reject(new WorkerError('invalid_payload', 'the payload does not fit', { faults }))
  await expect(run({ target: 'vectors' }, { submit })).rejects.toMatchObject({
    code: 'TASK_REFUSED',
    message: expect.stringContaining('operation: unknown'),
  })
})

test("the results of the worker's own tasks are pruned by whoever owns them", async () => {
  const asked: { finishedBefore: number; max: number; dryRun: boolean }[] = []
  let left = 2_500
  const taskStore = {
    pruneResults: async (request: { finishedBefore: number; max: number; dryRun: boolean }) => {
      asked.push(request)
      // as the runtime's: a call may end before it is through
      const deleted = request.dryRun ? left : Math.min(left, request.max, 400)
      if (!request.dryRun) left -= deleted
      return { deleted }
    },
  }
  const { run } = await createHarness({ targets, taskStore, now: () => 10 * HOUR })
  const payload = { target: 'task_results', older_than: '2h' }
  expect(await run({ ...payload, dry_run: true })).toMatchObject({ deleted: 2_500 })
  expect(await run(payload)).toMatchObject({ deleted: 2_500, outcome: 'done' })
  expect(asked.every(({ finishedBefore }) => finishedBefore === 8 * HOUR)).toBe(true)
  expect(left).toBe(0)
  left = 2_500
  expect(await run({ ...payload, max_files: 700 })).toMatchObject({
    deleted: 700,
    outcome: 'partial',
    truncated_by: 'max_files',
  })
  expect(left).toBe(1_800)
})
