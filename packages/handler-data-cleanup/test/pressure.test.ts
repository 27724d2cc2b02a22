import { mkdir, statfs, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { HOUR, LATER_MS, createHarness, treeOf } from './cleanup-harness.js'
import { mountTmpfs } from './mounts.js'
import { tempFolder } from './temp-folder.js'

const BLOCK = 4_096

/** Ten files of one block, f1 … f10 being as many days old, on a disk that has `free` bytes left of a hundred blocks. */
async function fixture(free: number) {
  const root = await tempFolder()
  for (let day = 1; day <= 10; day++) {
    const path = join(root, `f${day}`)
    await writeFile(path, 'x')
    const at = (Date.now() + LATER_MS - day * 24 * HOUR) / 1000
    await utimes(path, at, at)
  }
  const before = (await treeOf(root)).length
  const freeSpace = async () => {
    const gone = before - (await treeOf(root)).length
    return { freeBytes: free + gone * BLOCK, totalBytes: 100 * BLOCK }
  }
  const { run } = await createHarness({ targets: { t: { kind: 'files', root } }, freeSpace })
  return {
    root,
    run: (payload: object) => run({ target: 't', older_than: '12h', basis: 'mtime', ...payload }),
  }
}

test('the oldest go until so much is free, and no more', async () => {
  const { root, run } = await fixture(10 * BLOCK)
  const result = await run({ until_free: { bytes: 13 * BLOCK } })
  expect(result).toMatchObject({
    outcome: 'done',
    deleted: 3,
    skipped: { not_needed: 7 },
    pressure: { wanted_bytes: 13 * BLOCK, free_before: 10 * BLOCK, free_after: 13 * BLOCK, reached: true },
  })
  expect(await treeOf(root)).toEqual(['f1', 'f2', 'f3', 'f4', 'f5', 'f6', 'f7'])
})

test('a share of the disk is wanted as well as a number of bytes; the list names what goes', async () => {
  const { root, run } = await fixture(10 * BLOCK)
  const dry = await run({ until_free: { percent: 12 }, dry_run: true })
  expect(dry.files.map(({ path }) => path).toSorted()).toEqual(['f10', 'f9'])
  expect(await run({ until_free: { percent: 12 } })).toMatchObject({ deleted: 2 })
  expect(await treeOf(root)).toHaveLength(8)
})

test('a need of zero or less does nothing', async () => {
  const { root, run } = await fixture(10 * BLOCK)
  for (const until_free of [
    { bytes: 10 * BLOCK },
    { bytes: 1 },
    { bytes: 0 },
    { bytes: -5 },
    { percent: 0 },
    { percent: -1 },
  ])
    expect(await run({ until_free })).toMatchObject({ outcome: 'not_needed', deleted: 0, scanned: 0 })
  expect(await treeOf(root)).toHaveLength(10)
})

test('what is too young stays however little is free, and the run says that it did not reach its mark', async () => {
  const { root, run } = await fixture(0)
  const result = await run({ older_than: '132h', until_free: { bytes: 50 * BLOCK } })
  expect(result).toMatchObject({ outcome: 'partial', deleted: 5, pressure: { reached: false } })
  expect(result.summary).toContain('not reached')
  expect(await treeOf(root)).toEqual(['f1', 'f2', 'f3', 'f4', 'f5'])
})

test('a run that is resumed under pressure measures the need anew', async () => {
  const { root, run } = await fixture(10 * BLOCK)
  await run({ until_free: { bytes: 12 * BLOCK } })
  expect(await run({ until_free: { bytes: 12 * BLOCK } })).toMatchObject({ outcome: 'not_needed' })
  expect(await treeOf(root)).toHaveLength(8)
})

test('on a real file system the mark is reached', async ({ skip }) => {
  const mount = await tempFolder()
  if (!mountTmpfs(mount, '4m')) return skip()
  await mkdir(join(mount, 'd'))
  for (let i = 0; i < 30; i++) await writeFile(join(mount, `d/f${i}`), Buffer.alloc(100_000))
  const { run } = await createHarness({
    targets: { t: { kind: 'files', root: mount, allowMountRoot: true } },
  })
  const wanted = 3 * 1024 * 1024
  expect(await run({ target: 't', older_than: '1h', until_free: { bytes: wanted } })).toMatchObject({
    pressure: { reached: true },
  })
  const { bavail, bsize } = await statfs(mount)
  expect(bavail * bsize).toBeGreaterThanOrEqual(wanted)
  expect(bavail * bsize).toBeLessThan(wanted + 2 * 102_400)
})
