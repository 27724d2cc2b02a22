import { rmSync } from 'node:fs'
import { mkdir, rm, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { HOUR, createHarness, memoryCheckpoint, treeOf } from './cleanup-harness.js'
import { tempFolder } from './temp-folder.js'

const SECOND = { delivery: 2, deadline: Date.now() + HOUR }

/** A folder `d` of now, with one file that is old by mtime, on the real clock. */
async function fixture() {
  const root = await tempFolder()
  await mkdir(join(root, 'd'))
  await writeFile(join(root, 'd/f'), 'x')
  await utimes(join(root, 'd/f'), 1_000, 1_000)
  const targets = { t: { kind: 'files', root, minAge: '1s' } }
  const made = Date.now()
  await expect.poll(() => Date.now() - made).toBeGreaterThan(1_200)
  const { run } = await createHarness({ targets, now: Date.now })
  const payload = { target: 't', older_than: '1s', basis: 'mtime', batch_size: 1 }
  return { root, run: (context = {}) => run(payload, context) }
}

test('a folder that an earlier delivery has emptied goes with the next one, although that has made it young', async () => {
  const { root, run } = await fixture()
  const { checkpoint } = memoryCheckpoint()
  let beats = 0
  const progress = () => {
    if (++beats === 2) throw new Error('died')
  }
  await expect(run({ checkpoint, progress })).rejects.toThrow('died')
  // as if the removal of the file had been the last thing that it did
  await rm(join(root, 'd/f'))
  await tick()
  expect(await run({ checkpoint, task: SECOND })).toMatchObject({ directories_deleted: 1 })
  expect(await treeOf(root)).toEqual([])
})

test('a folder in which others are at work stays, however long ago it was made', async () => {
  const { root, run } = await fixture()
  await rm(join(root, 'd/f'))
  await tick()
  expect(await run()).toMatchObject({ directories_deleted: 0, skipped: { young: 1 } })
  expect(await treeOf(root)).toEqual(['d/'])
})

test.each([
  ['the first delivery', {}],
  ['a later delivery', { task: SECOND }],
])('a folder that others have emptied since %s began stays', async (_which, context) => {
  const { root, run } = await fixture()
  const { checkpoint } = memoryCheckpoint()
  await expect(run({ checkpoint, progress: die })).rejects.toThrow('died')
  const progress = () => rmSync(join(root, 'd/f'), { force: true })
  const saved = 'task' in context ? { checkpoint } : {}
  expect(await run({ ...saved, ...context, progress })).toMatchObject({ skipped: { young: 1 } })
  expect(await treeOf(root)).toEqual(['d/'])
})

function die(): never {
  throw new Error('died')
}

/** Until the times that the kernel writes are later than all before. */
async function tick(): Promise<void> {
  const from = Date.now()
  await expect.poll(() => Date.now(), { interval: 1 }).toBeGreaterThan(from + 20)
}
