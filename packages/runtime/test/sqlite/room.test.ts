import { mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { createRoom } from '../../src/sqlite/room.js'
import { fakeClock } from '../../src/testing/fake-clock.js'

const MEBIBYTE = 1024 * 1024

test('large submits of one moment do not take the reserve', () => {
  const folder = mkdtempSync(join(tmpdir(), 'mcp-worker-room-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const { bavail, bsize } = statfsSync(folder)
  const hasRoom = createRoom(folder, bavail * bsize - 16 * MEBIBYTE, fakeClock().clock)
  let taken = 0
  for (let n = 0; n < 64; n++) {
    if (!hasRoom(MEBIBYTE)) continue
    writeFileSync(join(folder, `${n}`), Buffer.alloc(MEBIBYTE), { flush: true })
    taken++
  }
  // others use the disk too
  expect(taken).toBeLessThan(40)
})

test('a submit that would take the reserve is refused by itself, the next smaller one is not', () => {
  const { bavail, bsize } = statfsSync(tmpdir())
  const free = bavail * bsize
  const hasRoom = createRoom(tmpdir(), free / 2, fakeClock().clock)
  expect([hasRoom(free), hasRoom(1), hasRoom(free), hasRoom(1)]).toEqual([false, true, false, true])
})
