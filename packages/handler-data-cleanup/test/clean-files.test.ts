import { execFileSync, spawnSync } from 'node:child_process'
import { link, lutimes, mkdir, open, readlink, symlink, utimes, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { once } from 'node:events'
import * as fc from 'fast-check'
import { expect, onTestFinished, test } from 'vitest'
import { HOUR, LATER_MS, createHarness, memoryCheckpoint, treeOf } from './cleanup-harness.js'
import { tempFolder } from './temp-folder.js'

async function fixture(target: Record<string, unknown> = {}) {
  const root = await tempFolder()
  const harness = await createHarness({ targets: { temp_files: { kind: 'files', root, ...target } } })
  const run = (payload: Record<string, unknown> = {}, context = {}) =>
    harness.run({ target: 'temp_files', older_than: '24h', ...payload }, context)
  const preview = (input: Record<string, unknown> = {}) =>
    harness.preview({ target: 'temp_files', older_than: '24h', ...input })
  const make = async (path: string, content = 'x') => {
    await mkdir(join(root, path, '..'), { recursive: true })
    await writeFile(join(root, path), content)
  }
  /** As if it had been changed so long before the run. */
  const age = (path: string, ms: number) => {
    const at = (Date.now() + LATER_MS - ms) / 1000
    return utimes(join(root, path), at, at)
  }
  return { root, run, preview, make, age }
}

test('old files and the folders that they leave empty go; the root stays', async () => {
  const { root, run, make } = await fixture()
  for (const path of ['a', 'b/c', 'b/d/e', 'b/d/f']) await make(path)
  const result = await run()
  expect(result).toMatchObject({
    outcome: 'done',
    deleted: 4,
    directories_deleted: 2,
    matched: 4,
    scanned: 6,
  })
  expect(await treeOf(root)).toEqual([])
  expect(result.summary).toMatch(
    /^temp_files: Deleted 4 files and 2 empty folders, 16\.0 KiB, looked at 6\. Took /,
  )
})

test('young, future, excluded, linked, open files, FIFOs, sockets and devices stay, each with its reason', async ({
  skip,
}) => {
  const { root, run, make, age } = await fixture({ exclude: ['keep-me'] })
  const stays = ['young', 'future', 'keep-me', 'hard1', 'open', 'sub/keep-me/x']
  for (const path of [...stays, 'old']) await make(path)
  await age('young', HOUR)
  await age('future', -HOUR)
  await link(join(root, 'hard1'), join(root, 'hard2'))
  await using held = await open(join(root, 'open'))
  execFileSync('mkfifo', [join(root, 'fifo')])
  const server = createServer().listen(join(root, 'socket'))
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  try {
    execFileSync('mknod', [join(root, 'device'), 'c', '1', '3'], { stdio: 'ignore' })
  } catch {
    console.warn('SKIPPED: this user may not make devices')
    skip()
  }
  const result = await run()
  expect((await held.stat()).isFile()).toBe(true)
  expect(result.skipped).toEqual({
    young: 1,
    future: 1,
    excluded: 2,
    hard_linked: 2,
    open: 1,
    fifo: 1,
    socket: 1,
    device: 1,
  })
  expect(result.files.map(({ path }) => path)).toEqual(['old'])
  const kept = [...stays, 'hard2', 'fifo', 'socket', 'device', 'sub/', 'sub/keep-me/']
  expect(await treeOf(root)).toEqual(kept.toSorted())
})

test('a link is unlinked by its own age, and what it leads to is not touched', async () => {
  const { root, run } = await fixture()
  const elsewhere = await tempFolder()
  await writeFile(join(elsewhere, 'precious'), 'x')
  await symlink(elsewhere, join(root, 'to-folder'))
  await symlink(join(elsewhere, 'precious'), join(root, 'to-file'))
  await symlink('nowhere', join(root, 'broken'))
  await symlink(elsewhere, join(root, 'young'))
  const recent = (Date.now() + LATER_MS - HOUR) / 1000
  await lutimes(join(root, 'young'), recent, recent)
  expect(await run()).toMatchObject({ deleted: 3, skipped: { young: 1 } })
  expect(await treeOf(elsewhere)).toEqual(['precious'])
  expect(await readlink(join(root, 'young'))).toBe(elsewhere)
})

test('by default the later one of mtime and ctime counts: an old mtime alone deletes nothing', async () => {
  const root = await tempFolder()
  const targets = { t: { kind: 'files', root } }
  const { run } = await createHarness({ targets, now: Date.now })
  await writeFile(join(root, 'unpacked'), 'x')
  await utimes(join(root, 'unpacked'), 1_000_000, 1_000_000)
  expect(await run({ target: 't', older_than: '24h' })).toMatchObject({ deleted: 0, skipped: { young: 1 } })
  expect(await run({ target: 't', older_than: '24h', basis: 'ctime' })).toMatchObject({ deleted: 0 })
  expect(await run({ target: 't', older_than: '24h', basis: 'mtime' })).toMatchObject({ deleted: 1 })
})

test('an empty folder stays while it is young', async () => {
  const { root, run, age } = await fixture()
  await mkdir(join(root, 'young'))
  await mkdir(join(root, 'old'))
  await age('young', HOUR)
  expect(await run()).toMatchObject({ directories_deleted: 1, skipped: { young: 1 } })
  expect(await treeOf(root)).toEqual(['young/'])
})

test('include and exclude of target and payload all hold', async () => {
  const { root, run, make } = await fixture({ include: ['*.log', '*.tmp'] })
  for (const path of ['a.log', 'b.tmp', 'c.txt', 'x/d.log', 'x/e.log']) await make(path)
  await mkdir(join(root, 'empty'))
  await run({ include: ['*.log'], exclude: ['x/e*'] })
  expect(await treeOf(root)).toEqual(['b.tmp', 'c.txt', 'empty/', 'x/', 'x/e.log'])
})

test('keep_latest keeps the newest of all files, young ones counted', async () => {
  const { root, run, make, age } = await fixture()
  for (let i = 1; i <= 6; i++) {
    await make(`d${i % 2}/backup-${i}`)
    await age(`d${i % 2}/backup-${i}`, i * 20 * HOUR)
  }
  expect(await run({ keep_latest: 3, basis: 'mtime' })).toMatchObject({
    deleted: 3,
    skipped: { young: 1, latest: 2 },
  })
  expect((await treeOf(root)).filter((path) => !path.endsWith('/'))).toEqual([
    'd0/backup-2',
    'd1/backup-1',
    'd1/backup-3',
  ])
})

test('a file with several names counts once, when its last name goes', async () => {
  const { root, run, make } = await fixture({ allowHardLinks: true })
  await make('one', 'x'.repeat(10_000))
  await link(join(root, 'one'), join(root, 'two'))
  await link(join(root, 'one'), join(root, 'three'))
  const dry = await run({ dry_run: true })
  expect(dry).toMatchObject({ deleted: 3, bytes_freed: 12_288 })
  expect(await run()).toMatchObject({ deleted: 3, bytes_freed: 12_288 })
})

test('names of one file go together also where a batch lies between them, and its bytes count once', async () => {
  const root = await tempFolder()
  // the real clock: the removal of one name makes the ctime of the others young
  const targets = { t: { kind: 'files', root, allowHardLinks: true, minAge: '1s' } }
  const start = Date.now()
  const { run } = await createHarness({ targets, now: () => Math.max(Date.now(), start + 1_500) })
  await writeFile(join(root, 'one'), 'x'.repeat(10_000))
  for (const name of ['two', 'three', 'four']) await link(join(root, 'one'), join(root, name))
  await expect.poll(() => Date.now() - start).toBeGreaterThan(1_500)
  const payload = { target: 't', older_than: '1s', batch_size: 1 }
  expect(await run({ ...payload, dry_run: true })).toMatchObject({ deleted: 4, bytes_freed: 12_288 })
  expect(await run(payload)).toMatchObject({ deleted: 4, bytes_freed: 12_288, skipped: {} })
})

test('a sparse file frees what it occupied, not what it seemed', async () => {
  const { root, run } = await fixture()
  const file = await open(join(root, 'sparse'), 'w')
  await file.truncate(1 << 30)
  await file.close()
  expect((await run()).bytes_freed).toBeLessThan(65_536)
})

test('names that are no UTF-8, and names with any other byte, are deleted like others', async () => {
  const { root, run } = await fixture()
  const names = [
    Buffer.from([0x66, 0xff, 0xfe]),
    Buffer.from('new\nline'),
    Buffer.from(' * '),
    Buffer.from('ü→'),
  ]
  for (const name of names) await writeFile(Buffer.concat([Buffer.from(`${root}/`), name]), 'x')
  await mkdir(Buffer.concat([Buffer.from(`${root}/`), Buffer.from([0xe9])]))
  expect(await run()).toMatchObject({ deleted: 4, directories_deleted: 1, error_count: 0 })
  expect(await treeOf(root)).toEqual([])
})

test('what cannot be deleted is listed, the rest goes, and the run is partial', async ({ skip }) => {
  const { root, run, make } = await fixture()
  await make('locked/a')
  await make('b')
  try {
    execFileSync('chattr', ['+i', join(root, 'locked/a')], { stdio: 'ignore' })
  } catch {
    console.warn('SKIPPED: this user or file system has no immutable files')
    return skip()
  }
  onTestFinished(() => void spawnSync('chattr', ['-i', join(root, 'locked/a')]))
  const result = await run()
  expect(result).toMatchObject({ outcome: 'partial', deleted: 1, error_count: 1 })
  expect(result.errors).toEqual([{ path: 'locked/a', code: 'EPERM' }])
  execFileSync('chattr', ['-i', join(root, 'locked/a')])
  expect(await run()).toMatchObject({ outcome: 'done', deleted: 1 })
})

test('max_files deletes exactly so many, and the runs that go on at the cursor look at each entry once', async () => {
  const { root, run, make, age } = await fixture()
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
  const { run, make } = await fixture()
  for (let i = 0; i < 10; i++) await make(`f${i}`, 'x'.repeat(4_096))
  await make('huge', 'x'.repeat(100_000))
  const result = await run({ max_bytes: 5 * 4_096 + 1 })
  expect(result).toMatchObject({ deleted: 5, bytes_freed: 5 * 4_096, truncated_by: 'max_bytes' })
  const rest = await run({ max_bytes: 20 * 4_096 })
  expect(rest).toMatchObject({ deleted: 5, skipped: { too_large: 1 }, truncated_by: null })
})

test('max_duration stops with a cursor, and the runs after it end', async () => {
  const { root, run, make } = await fixture()
  for (let i = 0; i < 30; i++) await make(`f${i}`)
  // each pause is longer than the whole time: one batch per run
  const first = await run({ max_duration: '1s', batch_size: 10, pause_ms: 1_100 })
  expect(first).toMatchObject({ truncated_by: 'max_duration', outcome: 'partial', deleted: 10 })
  expect(await run({ cursor: first.next_cursor })).toMatchObject({ outcome: 'done', deleted: 20 })
  expect(await treeOf(root)).toEqual([])
})

test('near the deadline of the task a run stops by itself', async () => {
  const { root, run, make } = await fixture()
  await make('a')
  const task = { delivery: 1, deadline: Date.now() + 4_000 }
  expect(await run({}, { task })).toMatchObject({ truncated_by: 'max_duration', deleted: 0 })
  expect(await treeOf(root)).toEqual(['a'])
})

test('max_files counts all deliveries of a task together', async () => {
  const { root, run, make } = await fixture()
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
  const { root, run, make } = await fixture()
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
  const { root, run, make } = await fixture()
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
  const { run, make } = await fixture({ olderThan: '3d' })
  await make('a')
  expect(await run({ older_than: undefined })).toMatchObject({ deleted: 0, skipped: { young: 1 } })
})

test('a cancel stops within one batch, and what was not reached stays', async () => {
  const { root, run, make } = await fixture()
  for (let i = 0; i < 100; i++) await make(`f${i}`)
  const controller = new AbortController()
  const progress = (done: number) => void (done >= 20 && controller.abort(new Error('cancelled')))
  await expect(run({ batch_size: 10 }, { signal: controller.signal, progress })).rejects.toThrow('cancelled')
  expect(await treeOf(root)).toHaveLength(80)
})

// ── the list and the deed ─────────────────────────────────────────────────────────────────────────────────────────────

interface Node {
  readonly name: string
  readonly old: boolean
  readonly children: readonly Node[] | null
}

const { tree } = fc.letrec<{ tree: Node[]; node: Node }>((tie) => ({
  node: fc.record({
    name: fc
      .string({ unit: fc.constantFrom('a', 'b', 'c', 'd', '.'), minLength: 1, maxLength: 4 })
      .filter((name) => !/^\.{1,2}$/.test(name)),
    old: fc.boolean(),
    children: fc.option(tie('tree'), { maxDepth: 3, depthIdentifier: 'tree' }),
  }),
  tree: fc.uniqueArray(tie('node'), { selector: ({ name }) => name, maxLength: 5, depthIdentifier: 'tree' }),
}))

async function build(root: string, nodes: readonly Node[], now: number): Promise<void> {
  for (const { name, old, children } of nodes) {
    const path = join(root, name)
    if (children === null) await writeFile(path, 'x')
    else {
      await mkdir(path)
      await build(path, children, now)
    }
    const at = (old ? now - 30 * HOUR : now - HOUR) / 1000
    await utimes(path, at, at)
  }
}

test('the list names exactly what the run deletes, and changes nothing, on any tree', async () => {
  await fc.assert(
    fc.asyncProperty(
      tree,
      fc.option(fc.integer({ min: 1, max: 6 })),
      fc.integer({ min: 1, max: 3 }),
      async (nodes, limit, page) => {
        const { root, run, preview } = await fixture()
        await build(root, nodes, Date.now() + LATER_MS)
        const before = await treeOf(root)
        const listed = await pages(preview, page)
        const payload = limit === null ? {} : { max_files: limit }
        const dry = await run({ ...payload, dry_run: true })
        expect(await treeOf(root)).toEqual(before)
        const real = await run(payload)
        const left = await treeOf(root)
        const deleted = before.filter((path) => !path.endsWith('/') && !left.includes(path))
        expect(dry.files.map(({ path }) => path).toSorted()).toEqual(deleted.toSorted())
        expect({ ...dry, dry_run: false, summary: '', next_cursor: null }).toEqual({
          ...real,
          summary: '',
          next_cursor: null,
        })
        // pages have no limit: they are compared where the run had none
        const whole = limit === null ? before.filter((path) => !left.includes(path)) : listed
        expect(listed.toSorted()).toEqual(whole.toSorted())
      },
    ),
    { numRuns: 60 },
  )
})

async function pages(
  preview: (input: Record<string, unknown>) => ReturnType<Awaited<ReturnType<typeof fixture>>['preview']>,
  limit: number,
) {
  const paths: string[] = []
  let cursor: string | null = null
  do {
    const page = await preview({ limit, ...(cursor === null ? {} : { cursor }) })
    paths.push(...page.files.map(({ path }) => path), ...page.directories.map((path) => `${path}/`))
    cursor = page.next_cursor
  } while (cursor !== null)
  return paths
}

async function world() {
  const made = await fixture()
  for (let i = 0; i < 60; i++) {
    await made.make(`d${i % 3}/e${i % 2}/f${i}`)
    if (i % 4 === 0) await made.age(`d${i % 3}/e${i % 2}/f${i}`, HOUR)
  }
  return made
}

test('a run that dies anywhere and is delivered again ends as an undisturbed one', async () => {
  const undisturbed = await world()
  await undisturbed.run()
  const expected = await treeOf(undisturbed.root)
  expect(expected.length).toBeGreaterThan(10)
  for (let dieAt = 1; dieAt <= 60; dieAt += 7) {
    const { root, run } = await world()
    const { checkpoint } = memoryCheckpoint()
    let beats = 0
    const progress = () => {
      if (++beats === dieAt) throw new Error('died')
    }
    // late deaths may come after its end
    await run({ batch_size: 3 }, { checkpoint, progress }).catch(() => null)
    await run({ batch_size: 3 }, { checkpoint, task: { delivery: 2, deadline: Date.now() + HOUR } })
    expect(await treeOf(root), `died at beat ${dieAt}`).toEqual(expected)
  }
})
