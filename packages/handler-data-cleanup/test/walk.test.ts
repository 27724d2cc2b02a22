import { expect, test } from 'vitest'
import { createBudget } from '../src/files/budget.js'
import { type EntryRules, decideAge } from '../src/files/decide-entry.js'
import type { Folder, Look } from '../src/files/folder.js'
import { createLinkedFiles } from '../src/files/linked-files.js'
import { newTally } from '../src/files/tally.js'
import { type Walk, walk } from '../src/files/walk.js'
import { OLD_FILE } from './old-file.js'

const FOLDER: Look = { ...OLD_FILE, kind: 'directory', inode: 100, links: 2 }

const refuse = () => Promise.reject(Object.assign(new Error('not asked for'), { code: 'EIO' }))

/** A folder in memory. `looks`: of each entry, one after the other; the last one stays. */
function folderOf(looks: Readonly<Record<string, readonly Look[]>>, more: Partial<Folder> = {}) {
  const unlinked: string[] = []
  const asked: Record<string, number> = {}
  const lookNow = (name: string): Look | null => {
    const all = looks[name] ?? []
    const n = (asked[name] = (asked[name] ?? -1) + 1)
    return all[Math.min(n, all.length - 1)] ?? null
  }
  const folder: Folder = {
    parts: [],
    safety: 'pinned',
    // oxlint-disable-next-line typescript/require-await -- as the real one answers
    async *names() {
      yield* Object.keys(looks)
    },
    look: async (name) => lookNow(name),
    lookNow,
    self: async () => FOLDER,
    inPlace: () => true,
    enter: refuse,
    unlink: async (name) => void unlinked.push(name),
    rmdir: refuse,
    readLink: refuse,
    readText: refuse,
    close: async () => {},
    ...more,
  }
  return { folder, unlinked }
}

const rules: EntryRules = {
  basis: 'newest',
  cutoff: 1_000,
  now: () => 2_000,
  included: () => true,
  excluded: () => false,
  isLatest: () => false,
  isOpen: () => false,
  allowHardLinks: false,
}

function specOf(maxFiles: number | null = null): Walk {
  return {
    act: 'delete',
    rules,
    device: 1,
    mounts: new Set(),
    budget: createBudget({ maxFiles, maxBytes: null, stopAt: Infinity }, { files: 0, bytes: 0 }),
    tally: newTally(),
    batchSize: 10,
    concurrency: 2,
    maxDepth: 8,
    removesFolders: true,
    earlier: null,
    listed: 10,
    linked: createLinkedFiles(),
    isNeeded: () => true,
    beat: async () => {},
  }
}

test.each([
  ['replaced', { inode: 2 }],
  ['written', { mtimeMs: 5 }],
  ['touched', { ctimeMs: 5 }],
  ['made a link', { kind: 'link' }],
] as const)('a file that was %s between the two looks stays', async (_how, change) => {
  const { folder, unlinked } = folderOf({ a: [OLD_FILE, { ...OLD_FILE, ...change }], b: [OLD_FILE] })
  const spec = specOf()
  await walk(spec, folder, null)
  expect(unlinked).toEqual(['b'])
  expect(spec.tally).toMatchObject({ deleted: 1, skipped: { changed: 1 } })
})

test('what stayed after all gives its place below max_files to another', async () => {
  const { folder, unlinked } = folderOf({
    a: [OLD_FILE, { ...OLD_FILE, inode: 2 }],
    b: [OLD_FILE],
    c: [OLD_FILE],
  })
  const end = await walk(specOf(1), folder, null)
  expect(unlinked).toEqual(['b'])
  expect(end.truncatedBy).toBe('max_files')
})

test('a folder that is another one when it is entered is left alone', async () => {
  const inner = folderOf({ x: [OLD_FILE] }, { parts: ['d'], self: async () => ({ ...FOLDER, inode: 7 }) })
  const { folder } = folderOf({ d: [FOLDER] }, { enter: async () => inner.folder })
  const spec = specOf()
  await walk(spec, folder, null)
  expect(inner.unlinked).toEqual([])
  expect(spec.tally).toMatchObject({ skipped: { changed: 1 }, directories_deleted: 0 })
})

test('a position whose entry is gone begins the folder anew', async () => {
  const { folder, unlinked } = folderOf({ a: [OLD_FILE], b: [OLD_FILE] })
  await walk(specOf(), folder, [{ name: '', after: 'gone', kept: false }])
  expect(unlinked).toEqual(['a', 'b'])
})

test('what is exactly as old as asked is not older', () => {
  expect(decideAge(1_000, rules)).toBe('young')
  expect(decideAge(999.9, rules)).toBeNull()
  expect(decideAge(2_001, rules)).toBe('future')
})
