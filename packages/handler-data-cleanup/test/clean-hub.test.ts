import { execFileSync, spawnSync } from 'node:child_process'
import { mkdir, open, readFile, symlink, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { HOUR, LATER_MS, createHarness, treeOf } from './cleanup-harness.js'
import { tempFolder } from './temp-folder.js'

/** As huggingface_hub lays it out: https://huggingface.co/docs/huggingface_hub/guides/manage-cache */
async function fixture() {
  const root = await tempFolder()
  const repo = join(root, 'models--acme--tiny')
  for (const folder of ['blobs', 'refs/pr', 'snapshots']) await mkdir(join(repo, folder), { recursive: true })
  const blob = (name: string) => writeFile(join(repo, 'blobs', name), 'x'.repeat(5_000))
  const ref = (name: string, revision: string) => writeFile(join(repo, 'refs', name), revision)
  const snapshot = async (revision: string, files: Record<string, string>) => {
    for (const [path, name] of Object.entries(files)) {
      const at = join(repo, 'snapshots', revision, path)
      await mkdir(join(at, '..'), { recursive: true })
      const up = '../'.repeat(path.split('/').length + 1)
      await symlink(`${up}blobs/${name}`, at)
    }
  }
  for (const name of ['shared', 'new', 'old', 'orphan', 'gone.incomplete']) await blob(name)
  await ref('main', 'rev-new\n')
  await snapshot('rev-new', { 'config.json': 'shared', 'onnx/model.onnx': 'new' })
  await snapshot('rev-old', { 'config.json': 'shared', 'onnx/model.onnx': 'old' })
  await mkdir(join(root, '.locks/models--acme--tiny'), { recursive: true })
  await writeFile(join(root, '.locks/models--acme--tiny/old.lock'), '')
  await writeFile(join(root, 'version.txt'), '1')
  const harness = await createHarness({ targets: { hf_cache: { kind: 'hf_cache', root } } })
  const run = (payload = {}) => harness.run({ target: 'hf_cache', older_than: '24h', ...payload })
  const recently = (path: string) => {
    const at = (Date.now() + LATER_MS - HOUR) / 1000
    return utimes(join(repo, path), at, at)
  }
  return { root, repo, run, harness, ref, snapshot, recently }
}

test('an old revision without a ref goes with the blobs that only it needed; shared blobs stay', async () => {
  const { root, repo, run } = await fixture()
  const result = await run()
  expect(result.files.map(({ path }) => path.replace('models--acme--tiny/', '')).toSorted()).toEqual([
    '.locks/old.lock',
    'blobs/gone.incomplete',
    'blobs/old',
    'blobs/orphan',
    'snapshots/rev-old/config.json',
    'snapshots/rev-old/onnx/model.onnx',
  ])
  expect(result).toMatchObject({ outcome: 'done', directories_deleted: 2, skipped: { referenced: 3 } })
  expect(await readFile(join(repo, 'snapshots/rev-new/onnx/model.onnx'), 'utf8')).toHaveLength(5_000)
  expect(await readFile(join(repo, 'snapshots/rev-new/config.json'), 'utf8')).toHaveLength(5_000)
  expect(await treeOf(root)).not.toContain('models--acme--tiny/snapshots/rev-old/')
  expect(await treeOf(root)).toContain('version.txt')
})

test('every ref keeps its revision, nested ones too', async () => {
  const { run, ref } = await fixture()
  await ref('pr/7', 'rev-old')
  const { files } = await run()
  expect(
    files.map(({ path }) => path).filter((path) => path.includes('rev-old') || path.endsWith('blobs/old')),
  ).toEqual([])
})

test('a revision whose blob was read lately stays: it may have been asked for by its hash', async () => {
  const { repo, run } = await fixture()
  const at = (Date.now() + LATER_MS - HOUR) / 1000
  await utimes(join(repo, 'blobs/old'), at, 1_000)
  const { skipped, files } = await run()
  expect(skipped).toMatchObject({ young: 1 })
  expect(files.map(({ path }) => path)).not.toContain('models--acme--tiny/blobs/old')
})

test('downloads and locks go only when they are old, and never while they are open', async () => {
  const { repo, run, recently } = await fixture()
  await recently('blobs/gone.incomplete')
  await using held = await open(join(repo, 'blobs/orphan'))
  const { files, skipped } = await run()
  const names = files.map(({ path }) => path)
  expect((await held.stat()).isFile()).toBe(true)
  expect(names).not.toContain('models--acme--tiny/blobs/gone.incomplete')
  expect(names).not.toContain('models--acme--tiny/blobs/orphan')
  expect(skipped).toMatchObject({ young: 1, open: 1 })
})

test('the list names what the run deletes, and changes nothing', async () => {
  const { root, run, harness } = await fixture()
  const before = await treeOf(root)
  const dry = await run({ dry_run: true })
  const page = await harness.preview({ target: 'hf_cache', older_than: '24h', limit: 100 })
  expect(await treeOf(root)).toEqual(before)
  const real = await run()
  expect(dry.files).toEqual(real.files)
  expect(page.files).toEqual(real.files)
})

test('a run that is stopped by a limit leaves a cache that works, and the next one ends it', async () => {
  const { repo, run } = await fixture()
  let runs = 0
  for (;;) {
    const result = await run({ max_files: 1 })
    expect(await readFile(join(repo, 'snapshots/rev-new/onnx/model.onnx'), 'utf8')).toHaveLength(5_000)
    runs += 1
    if (result.outcome === 'done') break
    expect(result).toMatchObject({ deleted: 1, truncated_by: 'max_files' })
  }
  expect(runs).toBe(6)
})

test('a repository that cannot be read whole is left alone, and the others are cleaned', async () => {
  const { root, repo, run } = await fixture()
  const other = join(root, 'datasets--acme--other')
  await mkdir(join(other, 'blobs'), { recursive: true })
  await writeFile(join(other, 'blobs/orphan'), 'x')
  // a link where the refs should be: what they keep cannot be known
  await symlink(join(repo, 'refs'), join(other, 'refs'))
  const result = await run()
  expect(result).toMatchObject({ outcome: 'partial', error_count: 1 })
  expect(result.errors[0]?.path).toBe('datasets--acme--other')
  expect(await treeOf(other)).toContain('blobs/orphan')
  expect(result.deleted).toBe(6)
})

test('a ref that is a link protects nothing that can be known: its repository is left alone', async () => {
  const { repo, run } = await fixture()
  await symlink('main', join(repo, 'refs/alias'))
  expect(await run()).toMatchObject({ outcome: 'partial', error_count: 1, deleted: 0 })
})

test('a blob stays while a link to it could not be removed', async ({ skip }) => {
  const { root, repo, run } = await fixture()
  const stuck = join(repo, 'snapshots/rev-old/onnx')
  try {
    execFileSync('chattr', ['+i', stuck], { stdio: 'ignore' })
  } catch {
    console.warn('SKIPPED: this user or file system has no immutable folders')
    return skip()
  }
  onTestFinished(() => void spawnSync('chattr', ['-i', stuck]))
  const result = await run()
  expect(result).toMatchObject({ outcome: 'partial', error_count: 3 })
  expect(await readFile(join(stuck, 'model.onnx'), 'utf8')).toHaveLength(5_000)
  expect(await treeOf(root)).not.toContain('models--acme--tiny/blobs/orphan')
})

test('a blob that could never fit into max_bytes is kept with its reason, and the rest goes', async () => {
  const { run } = await fixture()
  expect(await run({ max_bytes: 4_096 })).toMatchObject({
    outcome: 'done',
    truncated_by: null,
    skipped: { too_large: 3 },
  })
  expect(await run({ max_bytes: 8_192 })).toMatchObject({ deleted: 1, truncated_by: 'max_bytes' })
})

test('include and exclude choose repositories by the names of their folders', async () => {
  const { run } = await fixture()
  expect(await run({ exclude: ['models--acme--*'] })).toMatchObject({ scanned: 0, deleted: 0 })
  expect(await run({ include: ['datasets--*'] })).toMatchObject({ scanned: 0, deleted: 0 })
  expect(await run({ include: ['models--*'] })).toMatchObject({ deleted: 6 })
})

test('max_duration stops before the next file', async () => {
  const { run, harness } = await fixture()
  // a deadline so near that the time is up at once
  const task = { delivery: 1, deadline: Date.now() + 4_000 }
  const payload = { target: 'hf_cache', older_than: '24h' }
  expect(await harness.run(payload, { task })).toMatchObject({ deleted: 0, truncated_by: 'max_duration' })
  expect(await run({ max_duration: '1h' })).toMatchObject({ deleted: 6, truncated_by: null })
})

test('what makes no sense here is refused', async () => {
  const { run } = await fixture()
  await expect(run({ keep_latest: 1, until_free: { bytes: 1 } })).rejects.toMatchObject({
    code: 'NOT_APPLICABLE',
    message: expect.stringContaining('keep_latest, until_free'),
  })
})
