import { execFileSync, spawnSync } from 'node:child_process'
import { link, lutimes, mkdir, open, readlink, symlink, utimes, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { once } from 'node:events'
import { expect, onTestFinished, test } from 'vitest'
import { HOUR, LATER_MS, createHarness, treeOf } from './cleanup-harness.js'
import { filesTarget } from './files-target.js'
import { tempFolder } from './temp-folder.js'

test('old files and the folders that they leave empty go; the root stays', async () => {
  const { root, run, make } = await filesTarget()
  for (const path of ['a', 'b/c', 'b/d/e', 'b/d/f']) await make(path)
  const result = await run()
  expect(result).toMatchObject({
    outcome: 'done',
    deleted: 4,
    directories_deleted: 2,
    matched: 4,
    scanned: 6,
  })
  expect(await treeOf(root)).toEqual([])
  expect(result.summary).toMatch(
    /^temp_files: Deleted 4 files and 2 empty folders, 16\.0 KiB, looked at 6\. Took /,
  )
})

test('young, future, excluded, linked, open files, FIFOs, sockets and devices stay, each with its reason', async ({
  skip,
}) => {
  const { root, run, make, age } = await filesTarget({ exclude: ['keep-me'] })
  const stays = ['young', 'future', 'keep-me', 'hard1', 'open', 'sub/keep-me/x']
  for (const path of [...stays, 'old']) await make(path)
  await age('young', HOUR)
  await age('future', -HOUR)
  await link(join(root, 'hard1'), join(root, 'hard2'))
  await using held = await open(join(root, 'open'))
  execFileSync('mkfifo', [join(root, 'fifo')])
  const server = createServer().listen(join(root, 'socket'))
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  try {
    execFileSync('mknod', [join(root, 'device'), 'c', '1', '3'], { stdio: 'ignore' })
  } catch {
    console.warn('SKIPPED: this user may not make devices')
    skip()
  }
  const result = await run()
  expect((await held.stat()).isFile()).toBe(true)
  expect(result.skipped).toEqual({
    young: 1,
    future: 1,
    excluded: 2,
    hard_linked: 2,
    open: 1,
    fifo: 1,
    socket: 1,
    device: 1,
  })
  expect(result.files.map(({ path }) => path)).toEqual(['old'])
  const kept = [...stays, 'hard2', 'fifo', 'socket', 'device', 'sub/', 'sub/keep-me/']
  expect(await treeOf(root)).toEqual(kept.toSorted())
})

test('a link is unlinked by its own age, and what it leads to is not touched', async () => {
  const { root, run } = await filesTarget()
  const elsewhere = await tempFolder()
  await writeFile(join(elsewhere, 'precious'), 'x')
  await symlink(elsewhere, join(root, 'to-folder'))
  await symlink(join(elsewhere, 'precious'), join(root, 'to-file'))
  await symlink('nowhere', join(root, 'broken'))
  await symlink(elsewhere, join(root, 'young'))
  const recent = (Date.now() + LATER_MS - HOUR) / 1000
  await lutimes(join(root, 'young'), recent, recent)
  expect(await run()).toMatchObject({ deleted: 3, skipped: { young: 1 } })
  expect(await treeOf(elsewhere)).toEqual(['precious'])
  expect(await readlink(join(root, 'young'))).toBe(elsewhere)
})

test('by default the later one of mtime and ctime counts: an old mtime alone deletes nothing', async () => {
  const root = await tempFolder()
  const targets = { t: { kind: 'files', root } }
  const { run } = await createHarness({ targets, now: Date.now })
  await writeFile(join(root, 'unpacked'), 'x')
  await utimes(join(root, 'unpacked'), 1_000_000, 1_000_000)
  expect(await run({ target: 't', older_than: '24h' })).toMatchObject({ deleted: 0, skipped: { young: 1 } })
  expect(await run({ target: 't', older_than: '24h', basis: 'ctime' })).toMatchObject({ deleted: 0 })
  expect(await run({ target: 't', older_than: '24h', basis: 'mtime' })).toMatchObject({ deleted: 1 })
})

test('an empty folder stays while it is young', async () => {
  const { root, run, age } = await filesTarget()
  await mkdir(join(root, 'young'))
  await mkdir(join(root, 'old'))
  await age('young', HOUR)
  expect(await run()).toMatchObject({ directories_deleted: 1, skipped: { young: 1 } })
  expect(await treeOf(root)).toEqual(['young/'])
})

test('include and exclude of target and payload all hold', async () => {
  const { root, run, make } = await filesTarget({ include: ['*.log', '*.tmp'] })
  for (const path of ['a.log', 'b.tmp', 'c.txt', 'x/d.log', 'x/e.log']) await make(path)
  await mkdir(join(root, 'empty'))
  await run({ include: ['*.log'], exclude: ['x/e*'] })
  expect(await treeOf(root)).toEqual(['b.tmp', 'c.txt', 'empty/', 'x/', 'x/e.log'])
})

test('keep_latest keeps the newest of all files, young ones counted', async () => {
  const { root, run, make, age } = await filesTarget()
  for (let i = 1; i <= 6; i++) {
    await make(`d${i % 2}/backup-${i}`)
    await age(`d${i % 2}/backup-${i}`, i * 20 * HOUR)
  }
  expect(await run({ keep_latest: 3, basis: 'mtime' })).toMatchObject({
    deleted: 3,
    skipped: { young: 1, latest: 2 },
  })
  expect((await treeOf(root)).filter((path) => !path.endsWith('/'))).toEqual([
    'd0/backup-2',
    'd1/backup-1',
    'd1/backup-3',
  ])
})

test('a file with several names counts once, when its last name goes', async () => {
  const { root, run, make } = await filesTarget({ allowHardLinks: true })
  await make('one', 'x'.repeat(10_000))
  await link(join(root, 'one'), join(root, 'two'))
  await link(join(root, 'one'), join(root, 'three'))
  const dry = await run({ dry_run: true })
  expect(dry).toMatchObject({ deleted: 3, bytes_freed: 12_288 })
  expect(await run()).toMatchObject({ deleted: 3, bytes_freed: 12_288 })
})

test('names of one file go together also where a batch lies between them, and its bytes count once', async () => {
  const root = await tempFolder()
  // the real clock: the removal of one name makes the ctime of the others young
  const targets = { t: { kind: 'files', root, allowHardLinks: true, minAge: '1s' } }
  const start = Date.now()
  const { run } = await createHarness({ targets, now: () => Math.max(Date.now(), start + 1_500) })
  await writeFile(join(root, 'one'), 'x'.repeat(10_000))
  for (const name of ['two', 'three', 'four']) await link(join(root, 'one'), join(root, name))
  await expect.poll(() => Date.now() - start).toBeGreaterThan(1_500)
  const payload = { target: 't', older_than: '1s', batch_size: 1 }
  expect(await run({ ...payload, dry_run: true })).toMatchObject({ deleted: 4, bytes_freed: 12_288 })
  expect(await run(payload)).toMatchObject({ deleted: 4, bytes_freed: 12_288, skipped: {} })
})

test('a sparse file frees what it occupied, not what it seemed', async () => {
  const { root, run } = await filesTarget()
  const file = await open(join(root, 'sparse'), 'w')
  await file.truncate(1 << 30)
  await file.close()
  expect((await run()).bytes_freed).toBeLessThan(65_536)
})

test('names that are no UTF-8, and names with any other byte, are deleted like others', async () => {
  const { root, run } = await filesTarget()
  const names = [
    Buffer.from([0x66, 0xff, 0xfe]),
    Buffer.from('new\nline'),
    Buffer.from(' * '),
    Buffer.from('ü→'),
  ]
  for (const name of names) await writeFile(Buffer.concat([Buffer.from(`${root}/`), name]), 'x')
  await mkdir(Buffer.concat([Buffer.from(`${root}/`), Buffer.from([0xe9])]))
  expect(await run()).toMatchObject({ deleted: 4, directories_deleted: 1, error_count: 0 })
  expect(await treeOf(root)).toEqual([])
})

test('what cannot be deleted is listed, the rest goes, and the run is partial', async ({ skip }) => {
  const { root, run, make } = await filesTarget()
  await make('locked/a')
  await make('b')
  try {
    execFileSync('chattr', ['+i', join(root, 'locked/a')], { stdio: 'ignore' })
  } catch {
    console.warn('SKIPPED: this user or file system has no immutable files')
    return skip()
  }
  onTestFinished(() => void spawnSync('chattr', ['-i', join(root, 'locked/a')]))
  const result = await run()
  expect(result).toMatchObject({ outcome: 'partial', deleted: 1, error_count: 1 })
  expect(result.errors).toEqual([{ path: 'locked/a', code: 'EPERM' }])
  execFileSync('chattr', ['-i', join(root, 'locked/a')])
  expect(await run()).toMatchObject({ outcome: 'done', deleted: 1 })
})
