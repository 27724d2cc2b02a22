import { expect, test } from 'vitest'
import type { Look } from '../src/files/folder.js'
import { createLinkedFiles } from '../src/files/linked-files.js'

const look: Look = {
  kind: 'file',
  device: 1,
  inode: 7,
  links: 3,
  size: 10,
  bytes: 4_096,
  mtimeMs: 5,
  ctimeMs: 6,
  atimeMs: 7,
  birthMs: 4,
}

test('bytes count when the last name goes, whether the names were looked at together or one by one', () => {
  const together = createLinkedFiles()
  expect([3, 3, 3].map((links) => together.freed({ ...look, links }))).toEqual([0, 0, 4_096])
  const oneByOne = createLinkedFiles()
  expect([3, 2, 1].map((links) => oneByOne.freed({ ...look, links }))).toEqual([0, 0, 4_096])
  expect(createLinkedFiles().freed({ ...look, links: 1 })).toBe(4_096)
})

test('a name that stays keeps the bytes', () => {
  const linked = createLinkedFiles()
  expect([3, 2].map((links) => linked.freed({ ...look, links }))).toEqual([0, 0])
  expect(linked.freed({ ...look, inode: 8, links: 1 })).toBe(4_096)
})

test('the ctime that a removal has left is not held against the other names', () => {
  const linked = createLinkedFiles()
  linked.freed(look)
  expect(linked.undisturbed({ ...look, links: 2, ctimeMs: 1_000 })).toMatchObject({ links: 2, ctimeMs: 6 })
})

test('a new file that was given the inode is not taken for the old one', () => {
  const linked = createLinkedFiles()
  linked.freed(look)
  for (const other of [{ birthMs: 900 }, { mtimeMs: 900 }, { device: 2 }])
    expect(linked.undisturbed({ ...look, ctimeMs: 1_000, ...other })).toMatchObject({ ctimeMs: 1_000 })
})
