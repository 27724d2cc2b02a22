import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, open, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { optionsSchema } from '../src/options.js'
import { HOUR, LATER_MS, createHarness, treeOf } from './cleanup-harness.js'
import { mountTmpfs } from './mounts.js'
import { tempFolder } from './temp-folder.js'

async function fixture(plugin: { readonly maxDepth?: number } = {}, target: object = {}) {
  const root = await tempFolder()
  const targets = { t: { kind: 'files', root, ...target } }
  const { run, preview } = await createHarness({ targets, plugin })
  return {
    root,
    preview,
    run: (payload = {}) => run({ target: 't', older_than: '24h', ...payload }),
  }
}

test('folders deeper than maxDepth are not entered, and say so; the ones above are cleaned', async () => {
  const { root, run } = await fixture({ maxDepth: 2 })
  await mkdir(join(root, 'a/b/c/d'), { recursive: true })
  for (const folder of ['', 'a', 'a/b', 'a/b/c', 'a/b/c/d']) await writeFile(join(root, folder, 'f'), 'x')
  expect(await run()).toMatchObject({ deleted: 3, directories_deleted: 0, skipped: { too_deep: 1 } })
  expect(await treeOf(root)).toEqual(['a/', 'a/b/', 'a/b/c/', 'a/b/c/d/', 'a/b/c/d/f', 'a/b/c/f'])
  const deeper = await createHarness({ targets: { t: { kind: 'files', root } }, plugin: { maxDepth: 4 } })
  await deeper.run({ target: 't', older_than: '24h' })
  expect(await treeOf(root)).toEqual([])
})

function isGood(options: object): boolean {
  return optionsSchema.safeParse(options).success
}

test('maxDepth and concurrency have bounds', () => {
  for (const bad of [0, 201, 1.5, '3']) expect(isGood({ maxDepth: bad }), `${bad}`).toBe(false)
  for (const bad of [0, 257, 1.5, '3']) expect(isGood({ concurrency: bad }), `${bad}`).toBe(false)
  expect(optionsSchema.parse({})).toMatchObject({ maxDepth: 64, concurrency: 32 })
})

test('by atime a file stays that was read lately, and goes that was only written lately', async () => {
  const { root, run } = await fixture()
  const recent = (Date.now() + LATER_MS - HOUR) / 1000
  await writeFile(join(root, 'read'), 'x')
  await utimes(join(root, 'read'), recent, 1_000)
  await writeFile(join(root, 'written'), 'x')
  await utimes(join(root, 'written'), 1_000, recent)
  expect(await run({ basis: 'atime' })).toMatchObject({ deleted: 1, skipped: { young: 1 } })
  expect(await treeOf(root)).toEqual(['read'])
})

test('a task names the first 100 files that it deleted, a dry run the first 1,000', async () => {
  const { root, run } = await fixture()
  for (let i = 0; i < 1_010; i++) await writeFile(join(root, `f${i}`), 'x')
  const dry = await run({ dry_run: true })
  expect([dry.files.length, dry.deleted]).toEqual([1_000, 1_010])
  const real = await run()
  expect([real.files.length, real.deleted]).toEqual([100, 1_010])
})

test('a file that another process holds open stays', async () => {
  const { root, run } = await fixture()
  const path = join(root, 'held')
  const file = await open(path, 'w')
  const child = spawn('sleep', ['60'], { stdio: [file.fd, 'ignore', 'ignore'] })
  onTestFinished(() => void child.kill('SIGKILL'))
  await once(child, 'spawn')
  await file.close()
  expect(await run()).toMatchObject({ deleted: 0, matched: 1, skipped: { open: 1 } })
  const ended = once(child, 'exit')
  child.kill('SIGKILL')
  await ended
  const { run: later } = await createHarness({ targets: { t: { kind: 'files', root } } })
  expect(await later({ target: 't', older_than: '24h' })).toMatchObject({ deleted: 1 })
})

test('a mount root of a hub cache is refused unless it is marked', async ({ skip }) => {
  const root = await tempFolder()
  if (!mountTmpfs(root, '1m')) return skip()
  const hub = { kind: 'hf_cache', root }
  const { run } = await createHarness({ targets: { no: hub, yes: { ...hub, allowMountRoot: true } } })
  await expect(run({ target: 'no', older_than: '1h' })).rejects.toMatchObject({ code: 'MOUNT_ROOT' })
  expect(await run({ target: 'yes', older_than: '1h' })).toMatchObject({ outcome: 'done' })
})

const KINDS = {
  hf_cache: { target: { root: '/srv/hub' }, fields: ['keep_latest', 'until_free', 'cursor'] },
  database: {
    target: { databases: [{ name: 'a', engine: 'sqlite', path: '/srv/a.db' }] },
    fields: ['include', 'exclude', 'keep_latest', 'max_files', 'max_bytes', 'until_free', 'cursor'],
  },
  tasks: {
    target: { tasks: [{ type: 'x', payload: {} }] },
    fields: [
      'include',
      'exclude',
      'keep_latest',
      'max_files',
      'max_bytes',
      'until_free',
      'cursor',
      'older_than',
      'max_duration',
    ],
  },
  task_results: {
    target: {},
    fields: ['include', 'exclude', 'keep_latest', 'max_bytes', 'until_free', 'cursor', 'max_duration'],
  },
} as const

const VALUES: Readonly<Record<string, unknown>> = {
  include: ['*'],
  exclude: ['*'],
  keep_latest: 1,
  max_files: 1,
  max_bytes: 1,
  until_free: { bytes: 1 },
  cursor: 'x',
  older_than: '24h',
  max_duration: '1m',
}

test.each(Object.entries(KINDS))('a target of kind %s refuses what it has no use for', async (kind, of) => {
  const { run } = await createHarness({ targets: { t: { kind, ...of.target } } })
  for (const field of of.fields)
    await expect(run({ target: 't', [field]: VALUES[field] }), field).rejects.toMatchObject({
      code: 'NOT_APPLICABLE',
      message: expect.stringContaining(field),
    })
})

test.each(['tasks', 'task_results'] as const)('a target of kind %s has no preview', async (kind) => {
  const { preview } = await createHarness({ targets: { t: { kind, ...KINDS[kind].target } } })
  await expect(preview({ target: 't' })).rejects.toMatchObject({ code: 'NOT_APPLICABLE' })
})
