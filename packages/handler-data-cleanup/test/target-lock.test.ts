import { join } from 'node:path'
import { mkdir, writeFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { lockTarget } from '../src/target-lock.js'
import { HOUR, createHarness, treeOf } from './cleanup-harness.js'
import { tempFolder } from './temp-folder.js'

const now = { waitMs: 0, signal: new AbortController().signal }

test('one holder per target; another target is free', async () => {
  const folder = await tempFolder()
  const release = await lockTarget(folder, 'a', now)
  expect(release).not.toBeNull()
  expect(await lockTarget(folder, 'a', now)).toBeNull()
  const other = await lockTarget(folder, 'b', now)
  expect(other).not.toBeNull()
  other?.()
  release?.()
  const again = await lockTarget(folder, 'a', now)
  expect(again).not.toBeNull()
  again?.()
})

test('a run that finds its target taken says locked and deletes nothing; a dry run needs no lock', async () => {
  const root = await tempFolder()
  const dataDir = await tempFolder()
  await writeFile(join(root, 'old'), 'x')
  const { run } = await createHarness({ targets: { t: { kind: 'files', root } }, dataDir })
  const release = await lockTarget(join(dataDir, 'locks'), 't', now)
  expect(await run({ target: 't', older_than: '1h' })).toMatchObject({ outcome: 'locked', deleted: 0 })
  expect(await run({ target: 't', older_than: '1h', dry_run: true })).toMatchObject({
    outcome: 'done',
    deleted: 1,
  })
  expect(await treeOf(root)).toEqual(['old'])
  release?.()
  expect(await run({ target: 't', older_than: '1h' })).toMatchObject({ outcome: 'done', deleted: 1 })
})

test('a redelivered task waits a moment for its predecessor to let go', async () => {
  const root = await tempFolder()
  await writeFile(join(root, 'old'), 'x')
  const { run, deps } = await createHarness({ targets: { t: { kind: 'files', root } } })
  const wait = { waitMs: 0, signal: new AbortController().signal }
  const release = await lockTarget(join(deps.around.dataDir, 'locks'), 't', wait)
  const running = run(
    { target: 't', older_than: '1h' },
    { task: { delivery: 2, deadline: Date.now() + HOUR } },
  )
  setTimeout(() => release?.(), 100)
  expect(await running).toMatchObject({ outcome: 'done', deleted: 1 })
})

test('a redelivered task is put off, not ended, while its predecessor still holds the target', async () => {
  const root = await tempFolder()
  const dataDir = await tempFolder()
  await mkdir(join(root, 'd'))
  const { run } = await createHarness({ targets: { t: { kind: 'files', root } }, dataDir })
  const release = await lockTarget(join(dataDir, 'locks'), 't', now)
  const task = { delivery: 2, deadline: Date.now() + HOUR }
  await expect(run({ target: 't', older_than: '1h' }, { task })).rejects.toThrow('snoozed')
  release?.()
  expect(await run({ target: 't', older_than: '1h' }, { task })).toMatchObject({ outcome: 'done' })
})
