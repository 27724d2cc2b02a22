import { expect, test } from 'vitest'
import { abortableStore } from '../src/abortable-store.js'
import { openIndex } from './index-harness.js'

test('a task that reads from a store which does not answer ends at its abort', async () => {
  const index = await openIndex()
  const controller = new AbortController()
  const hanging = { ...index.store, readMark: () => new Promise<never>(() => {}) }
  const store = abortableStore(hanging, controller.signal)
  const run = index.run({ documents: ['a text'] }, { store, signal: controller.signal })
  controller.abort(new Error('cancelled'))
  await expect(run).rejects.toThrow('cancelled')
})

test('without an abort the store answers as it is', async () => {
  const index = await openIndex()
  const store = abortableStore(index.store, new AbortController().signal)
  expect(await index.run({ documents: ['a text'] }, { store })).toMatchObject({ inserted: 1 })
  const { verified } = await index.run({ operation: 'verify' }, { store })
  expect(verified).toMatchObject({ checked: 1, problem_count: 0 })
})
