import { execFileSync } from 'node:child_process'
import { mkdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { type Folder, type Look, isSame } from '../src/files/folder.js'
import { openPathRoot } from '../src/files/path-folder.js'
import { openPinnedRoot } from '../src/files/pinned-folder.js'
import { createHarness, treeOf } from './cleanup-harness.js'
import { tempFolder } from './temp-folder.js'

const ENGINES = [
  ['pinned', openPinnedRoot],
  ['reduced', openPathRoot],
] as const

async function fixture(open: (path: string) => Promise<Folder>) {
  const path = await tempFolder()
  await mkdir(join(path, 'inner'))
  await writeFile(join(path, 'inner/file'), 'content')
  await symlink('inner', join(path, 'link'))
  const root = await open(path)
  onTestFinished(() => root.close())
  return { path, root }
}

async function namesOf(folder: Folder): Promise<readonly string[]> {
  const names: string[] = []
  for await (const name of folder.names()) names.push(name)
  return names.toSorted()
}

test.each(ENGINES)('%s: names, looks and texts are those of the folder', async (safety, open) => {
  const { root } = await fixture(open)
  expect(root).toMatchObject({ safety, parts: [] })
  expect(await namesOf(root)).toEqual(['inner', 'link'])
  expect(await root.look('link')).toMatchObject({ kind: 'link' })
  expect(root.lookNow('inner')).toMatchObject({ kind: 'directory' })
  expect(await root.look('none')).toBeNull()
  expect(root.lookNow('none')).toBeNull()
  expect(await root.readLink('link')).toBe('inner')
  const inner = await root.enter('inner')
  expect(inner.parts).toEqual(['inner'])
  expect(await inner.readText('file', 4)).toBe('cont')
  await inner.close()
})

test.each(ENGINES)('%s: a link is not entered and not read through', async (_safety, open) => {
  const { path, root } = await fixture(open)
  await expect(root.enter('link')).rejects.toMatchObject({ code: expect.stringMatching(/^(ELOOP|ENOTDIR)$/) })
  await symlink(join(path, 'inner/file'), join(path, 'text'))
  await expect(root.readText('text', 10)).rejects.toMatchObject({ code: 'ELOOP' })
  await expect(open(join(path, 'link'))).rejects.toMatchObject({
    code: expect.stringMatching(/^(ELOOP|ENOTDIR)$/),
  })
})

test.each(ENGINES)('%s: files and empty folders are removed, full ones are not', async (_safety, open) => {
  const { path, root } = await fixture(open)
  await expect(root.rmdir('inner')).rejects.toMatchObject({ code: 'ENOTEMPTY' })
  const inner = await root.enter('inner')
  await inner.unlink('file')
  await inner.close()
  await root.rmdir('inner')
  await root.unlink('link')
  expect(await treeOf(path)).toEqual([])
})

test.each(ENGINES)('%s: a folder that was moved away is noticed', async (_safety, open) => {
  const { path, root } = await fixture(open)
  const inner = await root.enter('inner')
  expect(inner.inPlace()).toBe(true)
  await rename(join(path, 'inner'), join(path, 'elsewhere'))
  const stillThere = (() => {
    try {
      return inner.inPlace()
    } catch {
      return false
    }
  })()
  expect(stillThere).toBe(false)
  await inner.close()
})

test.each(ENGINES)(
  '%s: what is no regular file is not read, and nobody waits for it',
  async (_safety, open) => {
    const { path, root } = await fixture(open)
    execFileSync('mkfifo', [join(path, 'fifo')])
    await expect(root.readText('fifo', 10)).rejects.toMatchObject({ code: 'EINVAL' })
  },
)

test('a pinned folder stays what it was, whatever its path leads to', async () => {
  const { path, root } = await fixture(openPinnedRoot)
  const foreign = await tempFolder()
  await writeFile(join(foreign, 'file'), 'precious')
  const inner = await root.enter('inner')
  await rename(join(path, 'inner'), join(path, 'aside'))
  await symlink(foreign, join(path, 'inner'))
  await inner.unlink('file')
  await inner.close()
  expect(await readFile(join(foreign, 'file'), 'utf8')).toBe('precious')
  expect(await treeOf(join(path, 'aside'))).toEqual([])
})

test('elsewhere than on Linux a run does the same by paths, and says that its safety is reduced', async () => {
  const real = Object.getOwnPropertyDescriptor(process, 'platform')
  const root = await tempFolder()
  await mkdir(join(root, 'a'))
  await writeFile(join(root, 'a/old'), 'x')
  const { run } = await createHarness({ targets: { t: { kind: 'files', root } } })
  Object.defineProperty(process, 'platform', { ...real, value: 'darwin' })
  onTestFinished(() => void Object.defineProperty(process, 'platform', real ?? {}))
  expect(await run({ target: 't', older_than: '1h' })).toMatchObject({
    safety: 'reduced',
    deleted: 1,
    directories_deleted: 1,
  })
  expect(await treeOf(root)).toEqual([])
})

test('a folder that is moved out of the root in the middle of a run is left alone', async () => {
  const root = await tempFolder()
  const elsewhere = await tempFolder()
  await mkdir(join(root, 'rescued'))
  for (let i = 0; i < 40; i++) await writeFile(join(root, `rescued/f${i}`), 'x')
  const { run } = await createHarness({ targets: { t: { kind: 'files', root } } })
  let moved = false
  const progress = (done: number) => {
    if (moved || done < 10) return
    moved = true
    // the batch that is under way has been looked at; the ones after it must not be
    void rename(join(root, 'rescued'), join(elsewhere, 'rescued'))
  }
  const result = await run({ target: 't', older_than: '1h', batch_size: 5, pause_ms: 20 }, { progress })
  expect(result.skipped).toMatchObject({ moved: 1 })
  expect((await treeOf(elsewhere)).length).toBeGreaterThan(20)
  await rm(elsewhere, { recursive: true, force: true })
})

test('an entry that was touched, replaced or given another name since the look is not the same', () => {
  const before: Look = {
    kind: 'file',
    device: 1,
    inode: 2,
    links: 1,
    size: 3,
    bytes: 4_096,
    mtimeMs: 5,
    ctimeMs: 6,
    atimeMs: 7,
    birthMs: 8,
  }
  expect(isSame({ ...before, atimeMs: 900 }, before)).toBe(true)
  const changes = [{ inode: 9 }, { device: 9 }, { kind: 'link' }, { size: 9 }, { mtimeMs: 9 }, { ctimeMs: 9 }]
  for (const change of changes as readonly Partial<Look>[])
    expect(isSame({ ...before, ...change }, before), JSON.stringify(change)).toBe(false)
  expect(isSame({ ...before, links: 2, ctimeMs: 9 }, before)).toBe(false)
  expect(isSame({ ...before, links: 1, ctimeMs: 9 }, { ...before, links: 2 })).toBe(true)
})
