import { expect, test } from 'vitest'
import { HOUR, memoryCheckpoint, treeOf } from './cleanup-harness.js'
import { filesTarget } from './files-target.js'

test('max_files deletes exactly so many, and the runs that go on at the cursor look at each entry once', async () => {
  const { root, run, make, age } = await filesTarget()
  const count = 3_000
  for (let i = 0; i < count; i++) {
    await make(`d${i % 7}/f${i}`)
    if (i % 3 === 0) await age(`d${i % 7}/f${i}`, HOUR)
  }
  let cursor: string | null = null
  let scanned = 0
  const deleted: number[] = []
  const truncations: unknown[] = []
  do {
    const result = await run({ max_files: 300, ...(cursor === null ? {} : { cursor }) })
    deleted.push(result.deleted)
    scanned += result.scanned
    cursor = result.next_cursor
    truncations.push(result.truncated_by)
  } while (cursor !== null)
  expect(deleted.reduce((sum, n) => sum + n, 0)).toBe(2_000)
  expect(truncations.at(-1)).toBeNull()
  expect(truncations.slice(0, -1).every((by) => by === 'max_files')).toBe(true)
  expect(deleted.slice(0, 6)).toEqual([300, 300, 300, 300, 300, 300])
  // a folder in which a run stops is met again by the next one
  expect(scanned).toBeGreaterThanOrEqual(count)
  expect(scanned).toBeLessThanOrEqual(count + 7 + deleted.length)
  expect((await treeOf(root)).filter((path) => !path.endsWith('/'))).toHaveLength(1_000)
})

test('max_bytes is never passed; a file that could never fit says so', async () => {
  const { run, make } = await filesTarget()
  for (let i = 0; i < 10; i++) await make(`f${i}`, 'x'.repeat(4_096))
  await make('huge', 'x'.repeat(100_000))
  const result = await run({ max_bytes: 5 * 4_096 + 1 })
  expect(result).toMatchObject({ deleted: 5, bytes_freed: 5 * 4_096, truncated_by: 'max_bytes' })
  const rest = await run({ max_bytes: 20 * 4_096 })
  expect(rest).toMatchObject({ deleted: 5, skipped: { too_large: 1 }, truncated_by: null })
})

test('max_duration stops with a cursor, and the runs after it end', async () => {
  const { root, run, make } = await filesTarget()
  for (let i = 0; i < 30; i++) await make(`f${i}`)
  // each pause is longer than the whole time: one batch per run
  const first = await run({ max_duration: '1s', batch_size: 10, pause_ms: 1_100 })
  expect(first).toMatchObject({ truncated_by: 'max_duration', outcome: 'partial', deleted: 10 })
  expect(await run({ cursor: first.next_cursor })).toMatchObject({ outcome: 'done', deleted: 20 })
  expect(await treeOf(root)).toEqual([])
})

test('near the deadline of the task a run stops by itself', async () => {
  const { root, run, make } = await filesTarget()
  await make('a')
  const task = { delivery: 1, deadline: Date.now() + 4_000 }
  expect(await run({}, { task })).toMatchObject({ truncated_by: 'max_duration', deleted: 0 })
  expect(await treeOf(root)).toEqual(['a'])
})

test('max_files counts all deliveries of a task together', async () => {
  const { root, run, make } = await filesTarget()
  for (let i = 0; i < 20; i++) await make(`f${i}`)
  const { checkpoint, stored } = memoryCheckpoint()
  const first = await run({ max_files: 8 }, { checkpoint })
  const saved = JSON.parse(stored.at(-1) ?? '') as { tally: { deleted: number } }
  saved.tally.deleted = first.deleted
  await checkpoint.set(saved)
  await run({ max_files: 10 }, { checkpoint, task: { delivery: 2, deadline: Date.now() + HOUR } })
  expect(await treeOf(root)).toHaveLength(10)
})

test('a cursor of another target, another mode, or forged is refused with nothing touched', async () => {
  const { root, run, make } = await filesTarget()
  for (const path of ['a', 'b', 'c']) await make(path)
  const { next_cursor } = await run({ dry_run: true, max_files: 1 })
  const forged = [
    [['', '../x', false]],
    [
      ['', null, false],
      ['..', null, false],
    ],
    [['/etc', null, false]],
    'x',
  ]
  const cursors = forged.map((levels) =>
    Buffer.from(JSON.stringify([1, 'temp_files', 0, levels])).toString('base64url'),
  )
  const elsewhere = Buffer.from(JSON.stringify([1, 'other', 0, [['', null, false]]])).toString('base64url')
  for (const cursor of [next_cursor, 'AAAA', elsewhere, ...cursors])
    await expect(run({ cursor })).rejects.toMatchObject({ code: 'BAD_CURSOR' })
  expect(await treeOf(root)).toEqual(['a', 'b', 'c'])
})

test('an unknown target, a missing age and an age below the floor are refused with nothing touched', async () => {
  const { root, run, make } = await filesTarget()
  await make('a')
  await expect(run({ target: 'etc' })).rejects.toMatchObject({
    code: 'UNKNOWN_TARGET',
    message: expect.stringContaining('temp_files'),
  })
  await expect(run({ older_than: '59m' })).rejects.toMatchObject({ code: 'OLDER_THAN_BELOW_FLOOR' })
  await expect(run({ older_than: undefined })).rejects.toMatchObject({ code: 'OLDER_THAN_REQUIRED' })
  await expect(run({ target: 'constructor' })).rejects.toMatchObject({ code: 'UNKNOWN_TARGET' })
  expect(await treeOf(root)).toEqual(['a'])
})

test("a target's own olderThan is its time to live", async () => {
  const { run, make } = await filesTarget({ olderThan: '3d' })
  await make('a')
  expect(await run({ older_than: undefined })).toMatchObject({ deleted: 0, skipped: { young: 1 } })
})

test('a cancel stops within one batch, and what was not reached stays', async () => {
  const { root, run, make } = await filesTarget()
  for (let i = 0; i < 100; i++) await make(`f${i}`)
  const controller = new AbortController()
  const progress = (done: number) => void (done >= 20 && controller.abort(new Error('cancelled')))
  await expect(run({ batch_size: 10 }, { signal: controller.signal, progress })).rejects.toThrow('cancelled')
  expect(await treeOf(root)).toHaveLength(80)
})
