import { open, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, onTestFinished, test, vi } from 'vitest'
import { createOpenFiles } from '../src/files/open-files.js'
import { tempFolder } from './temp-folder.js'

test('a file is known by device and inode, in a picture that is taken again after 5 s', async () => {
  vi.useFakeTimers({ toFake: ['performance'] })
  onTestFinished(() => void vi.useRealTimers())
  const path = join(await tempFolder(), 'file')
  await writeFile(path, 'x')
  const { dev, ino } = await stat(path)
  const openFiles = createOpenFiles()
  expect((await openFiles()).has(dev, ino)).toBe(false)
  await using held = await open(path)
  expect((await openFiles()).has(dev, ino)).toBe(false)
  vi.advanceTimersByTime(5_000)
  expect((await held.stat()).ino).toBe(ino)
  const picture = await openFiles()
  expect(picture.has(dev, ino)).toBe(true)
  expect(picture.has(dev + 1, ino)).toBe(false)
})
