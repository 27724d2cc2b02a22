/* oxlint-disable typescript/unbound-method -- the members of a context are closures, made to be taken out */
import { expect, test } from 'vitest'
import { type Context, runs } from './execute-harness.js'
import { testWork } from './host-fixtures.js'

test('gives the handler its task, deps and log', async () => {
  const told = testWork('t', {}, { attempt: 3, delivery: 5, deadline: 99 })
  let seen: unknown
  await runs(({ task, deps, log }) => {
    log.warn('odd', { a: 1 })
    seen = { task, deps }
    return null
  }, told)
  expect(seen).toEqual({
    task: { id: 'task-1', type: 't', version: 1, attempt: 3, delivery: 5, deadline: 99 },
    deps: { name: 'deps' },
  })
  expect(told.said.lines).toEqual([{ level: 'warn', event: 'odd', fields: { a: 1 } }])
})

test('never makes a signal that the handler does not ask for', async () => {
  const told = testWork('t', {})
  await runs(({ progress }) => progress(1), told)
  expect(told.signalMade()).toBe(false)
})

test('progress never goes backwards', async () => {
  const told = testWork('t', {})
  await runs(({ progress }) => {
    for (const done of [1, 5, 3, Number.NaN, -1, 7]) progress(done, 10)
    progress(8, null, 'almost\n\u001b[31mthere')
    return null
  }, told)
  expect(told.said.progress.map(({ done }) => done)).toEqual([1, 5, 5, 5, 7, 8])
  expect(told.said.progress.at(-1)).toEqual({ done: 8, total: null, note: 'almost [31mthere' })
})

test('a checkpoint is read back, set, and deleted with null', async () => {
  const told = testWork('t', {}, { checkpoint: '{"page":3}' })
  const outcome = await runs(async ({ checkpoint }) => {
    const before = checkpoint.get()
    await checkpoint.set({ page: 4 })
    const after = checkpoint.get()
    await checkpoint.set(null)
    return { before, after, last: checkpoint.get() }
  }, told)
  expect(outcome).toEqual({
    kind: 'succeeded',
    result: '{"before":{"page":3},"after":{"page":4},"last":null}',
  })
  expect(told.said.checkpoints).toEqual(['{"page":4}', null])
})

test('a child’s payload crosses as JSON text', async () => {
  const told = testWork('t', {})
  const outcome = await runs(({ submit }) => submit('child', { a: 1 }, { key: 'k', delay: '1m' }), told)
  expect(outcome).toMatchObject({ kind: 'succeeded', result: '{"id":"child-1","duplicate":false}' })
  expect(told.said.children).toEqual([
    { type: 'child', payload: '{"a":1}', options: { key: 'k', delay: '1m' } },
  ])
})

test('passes on nothing that is said after the end of the delivery', async () => {
  const told = testWork('t', {})
  let kept: Context | undefined
  await runs((context) => {
    kept = context
    return null
  }, told)
  kept?.progress(1)
  await expect(kept?.checkpoint.set(1)).rejects.toMatchObject({ code: 'aborted' })
  await expect(kept?.submit('child', {}, { key: 'k' })).rejects.toMatchObject({ code: 'aborted' })
  expect(told.said).toMatchObject({ progress: [], checkpoints: [], children: [] })
})
