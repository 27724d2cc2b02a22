import { writeFile, open, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { expect, test } from 'vitest'
import { HOUR, createHarness } from './cleanup-harness.js'
import { tempFolder } from './temp-folder.js'

const NOW = Date.UTC(2026, 10, 22)

interface Fixture {
  readonly autoVacuum?: 'NONE' | 'INCREMENTAL'
  readonly rows?: number
  readonly prune?: readonly object[]
}

const events = { table: 'events', column: 'at', unit: 'ms' }

/** The first half of the rows is ten days old, the other is new. */
async function fixture({ autoVacuum = 'INCREMENTAL', rows = 4_000, prune = [events] }: Fixture = {}) {
  const folder = await tempFolder()
  const path = join(folder, 'app.db')
  const db = new DatabaseSync(path)
  db.exec(`PRAGMA auto_vacuum = ${autoVacuum}; PRAGMA journal_mode = WAL`)
  db.exec('CREATE TABLE events (id INTEGER PRIMARY KEY, at INTEGER, body TEXT); BEGIN')
  const insert = db.prepare('INSERT INTO events (at, body) VALUES (?, ?)')
  for (let i = 0; i < rows; i++) insert.run(i < rows / 2 ? NOW - 240 * HOUR : NOW, 'x'.repeat(500))
  db.exec('COMMIT; PRAGMA wal_checkpoint(TRUNCATE)')
  const database = { name: 'app', engine: 'sqlite', path, prune, busyTimeoutMs: 200 }
  const { run, preview } = await createHarness({
    targets: { database: { kind: 'database', databases: [database] } },
    now: () => NOW,
  })
  return {
    folder,
    path,
    db,
    run: (payload = {}, context = {}) => run({ target: 'database', older_than: '7d', ...payload }, context),
    preview: () => preview({ target: 'database', older_than: '7d' }),
    count: (table = 'events') => Number(db.prepare(`SELECT count(*) AS n FROM ${table}`).get()?.['n']),
    [Symbol.dispose]: () => db.close(),
  }
}

test('old rows go in batches, the file gets smaller, and the report says by how much', async () => {
  using made = await fixture()
  const before = (await stat(made.path)).size
  const result = await made.run()
  const after = (await stat(made.path)).size
  expect(result.databases).toEqual([
    {
      name: 'app',
      engine: 'sqlite',
      rows_deleted: 2_000,
      rows_locked: 0,
      pages_freed: (before - after) / 4_096,
      bytes_before: before,
      bytes_after: after,
      integrity: 'ok',
      checkpoint: 'done',
      vacuum: 'done',
    },
  ])
  expect(after).toBeLessThan(before * 0.7)
  expect(made.count()).toBe(2_000)
})

test('a dry run and a preview count the rows and change nothing', async () => {
  using made = await fixture()
  expect(await made.run({ dry_run: true })).toMatchObject({
    matched: 2_000,
    databases: [{ rows_deleted: 2_000 }],
  })
  expect(await made.preview()).toMatchObject({ databases: [{ name: 'app', table: 'events', rows: 2_000 }] })
  expect(made.count()).toBe(4_000)
})

test('seconds, ISO texts, an extra condition and tables without rowid are understood', async () => {
  const sessions = { table: 'odd "name"', column: 'ends', unit: 'iso', where: "state <> 'kept'" }
  using made = await fixture({ rows: 2, prune: [sessions, { table: 'pairs', column: 'at', unit: 's' }] })
  made.db.exec(`CREATE TABLE "odd ""name""" (ends TEXT, state TEXT);
    CREATE TABLE pairs (a TEXT, b TEXT, at INTEGER, PRIMARY KEY (a, b)) WITHOUT ROWID`)
  const iso = made.db.prepare('INSERT INTO "odd ""name""" VALUES (?, ?)')
  iso.run(new Date(NOW - 240 * HOUR).toISOString(), 'done')
  iso.run(new Date(NOW - 240 * HOUR).toISOString(), 'kept')
  iso.run(new Date(NOW).toISOString(), 'done')
  const pair = made.db.prepare('INSERT INTO pairs VALUES (?, ?, ?)')
  for (let i = 0; i < 10; i++) pair.run('a', `${i}`, (NOW - (i < 4 ? 240 : 1) * HOUR) / 1000)
  expect(await made.run({ batch_size: 3 })).toMatchObject({ databases: [{ rows_deleted: 5 }] })
  expect(made.count('"odd ""name"""')).toBe(2)
  expect(made.count('pairs')).toBe(6)
})

test('a row that is exactly as old as asked stays, and an extra condition with OR spares what is young', async () => {
  using made = await fixture({ rows: 4, prune: [{ ...events, where: "body = 'a' OR body = 'b'" }] })
  made.db.exec(`UPDATE events SET at = ${NOW - 168 * HOUR}, body = 'a' WHERE id <= 2`)
  made.db.exec("UPDATE events SET body = 'b' WHERE id > 2")
  expect(await made.run()).toMatchObject({ databases: [{ rows_deleted: 0 }] })
  made.db.exec('UPDATE events SET at = at - 1 WHERE id <= 2')
  expect(await made.run()).toMatchObject({ databases: [{ rows_deleted: 2 }] })
})

test('a row whose time is null is not old', async () => {
  using made = await fixture({ rows: 2 })
  made.db.exec('UPDATE events SET at = NULL')
  expect(await made.run()).toMatchObject({ databases: [{ rows_deleted: 0 }] })
})

test('a reader that keeps its snapshot is reported as a busy checkpoint', async () => {
  using made = await fixture()
  const reader = new DatabaseSync(made.path)
  reader.exec('BEGIN; SELECT count(*) FROM events')
  const result = await made.run()
  reader.close()
  expect(result.databases).toMatchObject([{ rows_deleted: 2_000, checkpoint: 'busy' }])
  expect(result.summary).toContain('readers held up the checkpoint')
})

test('without incremental vacuum the pages stay, and the report says so; a full vacuum gives them back', async () => {
  using made = await fixture({ autoVacuum: 'NONE' })
  const first = await made.run()
  expect(first.databases).toMatchObject([{ rows_deleted: 2_000, vacuum: 'not_enabled', pages_freed: 0 }])
  const second = await made.run({ database: { vacuum: 'full' } })
  expect(second.databases[0]?.pages_freed).toBeGreaterThan(100)
})

test('parts of the work can be left out', async () => {
  using made = await fixture()
  const database = { prune: false, vacuum: 'none', analyze: false, checkpoint: false, integrity: false }
  expect(await made.run({ database })).toMatchObject({
    databases: [{ rows_deleted: 0, integrity: 'skipped', checkpoint: 'skipped', vacuum: 'skipped' }],
  })
  expect(made.count()).toBe(4_000)
})

test('analyze makes the statistics that the planner lacks, and does not where it is off', async () => {
  using made = await fixture()
  made.db.exec('CREATE INDEX by_time ON events (at)')
  const tables = () => made.db.prepare("SELECT name FROM sqlite_master WHERE name = 'sqlite_stat1'").all()
  await made.run({ batch_size: 500, database: { analyze: false } })
  expect(tables()).toEqual([])
  await made.run({ older_than: '6d' })
  expect(tables()).toHaveLength(1)
})

test('a damaged file stops everything, in the healthy database beside it too', async () => {
  using made = await fixture()
  using damaged = await fixture()
  damaged.db.exec('PRAGMA wal_checkpoint(TRUNCATE)')
  const file = await open(damaged.path, 'r+')
  // in the middle of the table's pages, so that the file still opens
  await file.write(Buffer.alloc(6_000, 0xab), 0, 6_000, 4_096 * 40)
  await file.close()
  const databases = [made.path, damaged.path].map((path, i) => ({
    name: `db${i}`,
    engine: 'sqlite',
    path,
    prune: [events],
  }))
  const { run } = await createHarness({
    targets: { database: { kind: 'database', databases } },
    now: () => NOW,
  })
  await expect(run({ target: 'database', older_than: '7d' })).rejects.toMatchObject({
    code: 'INTEGRITY_FAILED',
  })
  expect(made.count()).toBe(4_000)
})

test('a file that is no database, none at all, and rules that do not fit are refused; nothing is created', async () => {
  using made = await fixture({ prune: [{ table: 'none', column: 'at', unit: 'ms' }] })
  await expect(made.run()).rejects.toMatchObject({ code: 'DATABASE_RULE' })
  using column = await fixture({ prune: [{ table: 'events', column: 'nowhere', unit: 'ms' }] })
  await expect(column.run()).rejects.toMatchObject({
    code: 'DATABASE_RULE',
    message: expect.stringContaining('id, at, body'),
  })
  using unit = await fixture({ prune: [{ table: 'events', column: 'at', unit: 'time' }] })
  await expect(unit.run()).rejects.toMatchObject({ code: 'DATABASE_RULE' })
  const folder = await tempFolder()
  await writeFile(join(folder, 'text'), 'no database at all, but long enough to be looked at'.repeat(100))
  for (const [name, code] of [
    ['text', 'INTEGRITY_FAILED'],
    ['none', 'DATABASE_MISSING'],
  ] as const) {
    const databases = [{ name: 'x', engine: 'sqlite', path: join(folder, name), prune: [events] }]
    const { run } = await createHarness({ targets: { database: { kind: 'database', databases } } })
    await expect(run({ target: 'database', older_than: '7d' })).rejects.toMatchObject({ code })
  }
  await expect(stat(join(folder, 'none'))).rejects.toMatchObject({ code: 'ENOENT' })
})

test("the worker's own queue is refused, and so are rules on a vector index", async () => {
  using queue = await fixture()
  queue.db.exec('PRAGMA application_id = 0x6d637077')
  await expect(queue.run()).rejects.toMatchObject({ code: 'DATABASE_REFUSED' })
  expect(queue.count()).toBe(4_000)
  using vectors = await fixture()
  vectors.db.exec('PRAGMA application_id = 0x4d435649')
  await expect(vectors.run()).rejects.toMatchObject({ code: 'DATABASE_RULE' })
})

test('a file that others keep locked makes the task try again later', async () => {
  using made = await fixture()
  made.db.exec('BEGIN IMMEDIATE')
  await expect(made.run()).rejects.toMatchObject({ code: 'DATABASE_BUSY', name: 'RetryableError' })
  made.db.exec('ROLLBACK')
  expect(await made.run()).toMatchObject({ databases: [{ rows_deleted: 2_000 }] })
})

test('a cancel ends the run within one batch; what was deleted is committed', async () => {
  using made = await fixture()
  const controller = new AbortController()
  const progress = (rows: number) => void (rows >= 300 && controller.abort(new Error('cancelled')))
  const context = { signal: controller.signal, progress }
  await expect(made.run({ batch_size: 100 }, context)).rejects.toThrow(/abort|cancel/)
  expect(made.count()).toBe(3_700)
})

test('max_duration stops between two batches, and the next run goes on', async () => {
  using made = await fixture()
  const first = await made.run({ batch_size: 100, pause_ms: 1_100, max_duration: '1s' })
  expect(first).toMatchObject({ outcome: 'partial', truncated_by: 'max_duration' })
  expect(first.databases[0]?.rows_deleted).toBe(100)
  expect(await made.run()).toMatchObject({ outcome: 'done', databases: [{ rows_deleted: 1_900 }] })
})
