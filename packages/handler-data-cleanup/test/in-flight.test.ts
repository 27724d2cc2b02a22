import { setImmediate } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { createBudget } from '../src/files/budget.js'
import type { Folder, Look } from '../src/files/folder.js'
import { inFlight } from '../src/files/in-flight.js'
import { lookAll } from '../src/files/look-all.js'
import { createRemovals } from '../src/files/removals.js'
import { newTally } from '../src/files/tally.js'
import { OLD_FILE } from './old-file.js'

/** Counts what is under way at once. */
function gauge() {
  let now = 0
  const seen = { most: 0 }
  const pass = async () => {
    seen.most = Math.max(seen.most, ++now)
    await setImmediate()
    now -= 1
  }
  return { seen, pass }
}

const refuse = () => Promise.reject(new Error('not asked for'))
const folder: Folder = {
  parts: [],
  safety: 'pinned',
  names: () => ({ [Symbol.asyncIterator]: () => ({ next: refuse }) }),
  look: async () => OLD_FILE,
  lookNow: () => OLD_FILE,
  self: refuse,
  inPlace: () => true,
  enter: refuse,
  unlink: refuse,
  rmdir: refuse,
  readLink: refuse,
  readText: refuse,
  close: refuse,
}

test('never more than the width is under way, and the results come in order', async () => {
  const { seen, pass } = gauge()
  const items = Array.from({ length: 50 }, (_, i) => i)
  const results = await inFlight(4, items, async (i) => {
    await pass()
    return i * 2
  })
  expect(results).toEqual(items.map((i) => i * 2))
  expect(seen.most).toBe(4)
})

test('a fault is told when all that was under way has ended', async () => {
  let ended = 0
  const work = async (i: number) => {
    await setImmediate()
    if (i === 0) throw new Error('first')
    ended += 1
  }
  await expect(inFlight(2, [0, 1, 2, 3], work)).rejects.toThrow('first')
  expect(ended).toBe(3)
})

test('as many removals as concurrency says are under way at once', async () => {
  const { seen, pass } = gauge()
  const budget = createBudget({ maxFiles: null, maxBytes: null, stopAt: Infinity }, { files: 0, bytes: 0 })
  const tally = newTally()
  const spec = { act: 'delete', budget, tally, concurrency: 3, listed: 0 } as const
  const removals = createRemovals(spec, { ...folder, unlink: pass }, { name: '', after: null, kept: false })
  for (let i = 0; i < 20; i++) removals.add({ name: `f${i}`, look: OLD_FILE, i, path: `f${i}`, bytes: 0 })
  await removals.flush()
  expect(tally.deleted).toBe(20)
  expect(seen.most).toBe(3)
})

function lookSlowly(): Look {
  const until = performance.now() + 2
  while (performance.now() < until);
  return OLD_FILE
}

test('a slow disk is asked for many entries side by side, in their order', async () => {
  const { seen, pass } = gauge()
  const look = async (name: string) => {
    await pass()
    return name === 'f50' ? null : { ...OLD_FILE, inode: Number(name.slice(1)) }
  }
  const names = Array.from({ length: 100 }, (_, i) => `f${i}`)
  const looks = await lookAll({ ...folder, lookNow: lookSlowly, look }, names, 8)
  expect(looks).toHaveLength(100)
  expect(looks[50]).toBeNull()
  expect(looks[99]).toMatchObject({ inode: 99 })
  expect(seen.most).toBe(8)
})

function lookAtBad(name: string): Look {
  if (name === 'bad') throw Object.assign(new Error('no'), { code: 'EIO' })
  return OLD_FILE
}

test('an entry that cannot be looked at is a fault of its own', async () => {
  expect(await lookAll({ ...folder, lookNow: lookAtBad }, ['good', 'bad', 'good'], 8)).toEqual([
    OLD_FILE,
    { fault: 'EIO' },
    OLD_FILE,
  ])
})
