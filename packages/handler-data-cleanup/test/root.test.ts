import { mkdir, symlink, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { decideRoot, openRoot } from '../src/files/root.js'
import { optionsSchema } from '../src/options.js'
import { targetsOf } from '../src/targets.js'
import { createHarness, treeOf } from './cleanup-harness.js'
import { mountBind, mountTmpfs } from './mounts.js'
import { tempFolder } from './temp-folder.js'

const files = (root: string) => ({ kind: 'files', root })

test.each(['relative', './here', '../up', '/a/../b', '/a/./b', '/a/', '/a//b', '/a\0b', '', '~'])(
  'the root %o is refused as text, before the system is asked about it',
  (root) => {
    expect(optionsSchema.safeParse({ targets: { t: files(root) } }).success).toBe(false)
  },
)

test('the file system, homes, folders of the system and the data directory are refused', () => {
  const dataDir = '/srv/worker/data/plugins/cleanup'
  const bad = [
    '/',
    homedir(),
    '/home',
    '/home/somebody',
    '/etc',
    '/etc/cron.d',
    '/usr/lib',
    '/var',
    '/proc/1',
    '/srv/worker',
  ]
  for (const root of [...bad, '/srv/worker/data', '/srv/worker/data/plugins', dataDir, `${dataDir}/locks`])
    expect(decideRoot(root, dataDir), root).not.toBeNull()
  for (const root of [
    '/tmp',
    '/var/tmp',
    '/var/cache/app',
    '/srv/worker/cache',
    '/home/somebody/.cache/huggingface/hub',
  ])
    expect(decideRoot(root, dataDir), root).toBeNull()
})

test('a worker whose configuration names such a root does not start, and hears of all of them', async () => {
  const options = optionsSchema.parse({
    targets: { one: files('/'), two: files('/etc'), fine: files('/srv/x') },
  })
  const start = targetsOf(options, await tempFolder())
  await expect(start).rejects.toThrow(/targets\.one\.root: "\/" .* targets\.two\.root: "\/etc"/)
})

test('a data directory below the default root refuses the task, not the start', async () => {
  const targets = await targetsOf(optionsSchema.parse({}), '/srv/x')
  expect(Object.keys(targets)).toEqual(['temp_files', 'task_results'])
})

test('a root that is a link, or is reached through one, is refused and nothing is touched', async () => {
  const folder = await tempFolder()
  await mkdir(join(folder, 'real/inner'), { recursive: true })
  await writeFile(join(folder, 'real/inner/old'), 'x')
  await symlink(join(folder, 'real'), join(folder, 'link'))
  for (const root of [join(folder, 'link'), join(folder, 'link/inner')]) {
    const { run } = await createHarness({ targets: { t: files(root) } })
    await expect(run({ target: 't', older_than: '1h' })).rejects.toMatchObject({ code: 'ROOT_LINKED' })
  }
  expect(await treeOf(join(folder, 'real'))).toEqual(['inner/', 'inner/old'])
})

test('the data directory is protected also where a link leads to it', async () => {
  const folder = await tempFolder()
  await mkdir(join(folder, 'root/data'), { recursive: true })
  await symlink(join(folder, 'root/data'), join(folder, 'link'))
  const { run } = await createHarness({
    targets: { t: files(join(folder, 'root')) },
    dataDir: join(folder, 'link/new'),
  })
  await expect(run({ target: 't', older_than: '1h' })).rejects.toMatchObject({ code: 'ROOT_REFUSED' })
})

test('a root that is not there is no fault: there is nothing to clean', async () => {
  const { run } = await createHarness({ targets: { t: files(join(await tempFolder(), 'none')) } })
  expect(await run({ target: 't', older_than: '1h' })).toMatchObject({ outcome: 'absent', deleted: 0 })
})

test('a mount root is refused unless it is marked; another file system below is not entered', async ({
  skip,
}) => {
  const root = await tempFolder()
  await mkdir(join(root, 'a/mounted'), { recursive: true })
  if (!mountTmpfs(join(root, 'a/mounted'), '1m')) return skip()
  await writeFile(join(root, 'a/mounted/kept'), 'x')
  await writeFile(join(root, 'a/old'), 'x')
  const spec = { target: 't', path: join(root, 'a/mounted'), dataDir: await tempFolder() }
  await expect(openRoot({ ...spec, allowMountRoot: false })).rejects.toMatchObject({ code: 'MOUNT_ROOT' })
  const opened = await openRoot({ ...spec, allowMountRoot: true })
  await opened?.folder.close()
  const { run } = await createHarness({ targets: { t: files(join(root, 'a')) } })
  expect(await run({ target: 't', older_than: '1h' })).toMatchObject({
    deleted: 1,
    skipped: { other_mount: 1 },
  })
  expect(await treeOf(root)).toEqual(['a/', 'a/mounted/', 'a/mounted/kept'])
})

test('a second path to the data directory, by a bind mount, is refused although a mount is allowed', async ({
  skip,
}) => {
  const folder = await tempFolder()
  await mkdir(join(folder, 'data/plugins'), { recursive: true })
  await mkdir(join(folder, 'alias'))
  if (!mountBind(join(folder, 'data'), join(folder, 'alias'))) return skip()
  const spec = { target: 't', path: join(folder, 'alias'), allowMountRoot: true }
  const dataDir = join(folder, 'data/plugins/new')
  await expect(openRoot({ ...spec, dataDir })).rejects.toMatchObject({
    code: 'ROOT_REFUSED',
    message: expect.stringContaining(join(folder, 'data')),
  })
  const opened = await openRoot({ ...spec, dataDir: await tempFolder() })
  await opened?.folder.close()
})

test('a bind mount of the same file system is not entered either', async ({ skip }) => {
  const root = await tempFolder()
  const elsewhere = await tempFolder()
  await writeFile(join(elsewhere, 'kept'), 'x')
  await mkdir(join(root, 'bound here'))
  if (!mountBind(elsewhere, join(root, 'bound here'))) return skip()
  const bound = { target: 't', path: join(root, 'bound here'), dataDir: await tempFolder() }
  await expect(openRoot({ ...bound, allowMountRoot: false })).rejects.toMatchObject({ code: 'MOUNT_ROOT' })
  const { run } = await createHarness({ targets: { t: files(root) } })
  expect(await run({ target: 't', older_than: '1h' })).toMatchObject({
    deleted: 0,
    skipped: { other_mount: 1 },
  })
  expect(await treeOf(elsewhere)).toEqual(['kept'])
})
