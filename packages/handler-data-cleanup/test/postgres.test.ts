import { type PostgresServer, findPostgres } from '@mcp-worker/test-servers'
import { Client } from 'pg'
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest'
import { HOUR, createHarness } from './cleanup-harness.js'

const NOW = Date.UTC(2026, 10, 22)
const OLD = new Date(NOW - 240 * HOUR).toISOString()
const NEW = new Date(NOW).toISOString()

let server: PostgresServer | null = null
beforeAll(async () => {
  server = await findPostgres({ tests: 'databases on PostgreSQL' })
}, 60_000)
afterAll(() => server?.stop())

/** A schema of the test's own with 5,000 old events and 1,000 new ones. */
async function fixture(
  skip: () => never,
  options: { readonly rule?: object; readonly database?: object } = {},
) {
  const { url } = server ?? skip()
  const db = new Client(url)
  await db.connect()
  const schema = `t${crypto.randomUUID().slice(0, 8)}`
  onTestFinished(async () => {
    await db.query(`DROP SCHEMA ${schema} CASCADE`)
    await db.end()
    vi.unstubAllEnvs()
  })
  await db.query(`CREATE SCHEMA ${schema}; SET search_path = ${schema};
    CREATE TABLE events (id serial PRIMARY KEY, at timestamptz, body text);
    INSERT INTO events (at, body) SELECT '${OLD}', repeat('x', 200) FROM generate_series(1, 5000);
    INSERT INTO events (at, body) SELECT '${NEW}', 'new' FROM generate_series(1, 1000)`)
  vi.stubEnv('CLEANUP_TEST_DATABASE', url)
  const rule = { table: `${schema}.events`, column: 'at', unit: 'time', ...options.rule }
  const database = {
    name: 'main',
    engine: 'postgres',
    urlEnv: 'CLEANUP_TEST_DATABASE',
    prune: [rule],
    ...options.database,
  }
  const { run, preview } = await createHarness({
    targets: { database: { kind: 'database', databases: [database] } },
    now: () => NOW,
  })
  return {
    db,
    schema,
    url,
    run: (payload = {}, context = {}) => run({ target: 'database', older_than: '7d', ...payload }, context),
    preview: () => preview({ target: 'database', older_than: '7d' }),
    count: async () => Number((await db.query('SELECT count(*) AS n FROM events')).rows[0].n),
  }
}

test('old rows go in batches that commit by themselves, then the table is vacuumed', async ({ skip }) => {
  const { db, run, preview, count, schema } = await fixture(skip)
  expect(await preview()).toMatchObject({ databases: [{ name: 'main', rows: 5_000 }] })
  expect(await run({ dry_run: true })).toMatchObject({ matched: 5_000 })
  expect(await count()).toBe(6_000)
  const rows: number[] = []
  const progress = (done: number) => void rows.push(done)
  const result = await run({ batch_size: 1_000 }, { progress })
  expect(rows.slice(0, 5)).toEqual([1_000, 2_000, 3_000, 4_000, 5_000])
  expect(result.databases).toMatchObject([{ rows_deleted: 5_000, rows_locked: 0, vacuum: 'done' }])
  expect(await count()).toBe(1_000)
  const statistics = async () => {
    const { rows: stats } = await db.query(
      'SELECT last_vacuum, last_analyze, vacuum_count::int AS n FROM pg_stat_user_tables WHERE schemaname = $1',
      [schema],
    )
    return stats[0]
  }
  await expect
    .poll(statistics)
    .toMatchObject({ n: 1, last_vacuum: expect.any(Date), last_analyze: expect.any(Date) })
})

test('vacuum and analyze can be left out', async ({ skip }) => {
  const { run, db, schema } = await fixture(skip)
  const statistics = async () => {
    const text =
      'SELECT vacuum_count::int AS v, analyze_count::int AS a FROM pg_stat_user_tables WHERE schemaname = $1'
    return (await db.query(text, [schema])).rows[0]
  }
  const neither = await run({ database: { vacuum: 'none', analyze: false } })
  expect(neither.databases).toMatchObject([{ rows_deleted: 5_000, vacuum: 'skipped' }])
  await run({ database: { prune: false, vacuum: 'none' } })
  await expect.poll(statistics).toEqual({ v: 0, a: 1 })
  await run({ database: { prune: false, analyze: false } })
  await expect.poll(statistics).toEqual({ v: 1, a: 1 })
})

test('rows that others hold are skipped, not waited for, and counted', async ({ skip }) => {
  const { url, schema, run, count } = await fixture(skip)
  const other = new Client(url)
  await other.connect()
  await other.query(`BEGIN; SELECT * FROM ${schema}.events WHERE id <= 10 FOR UPDATE`)
  expect(await run()).toMatchObject({ databases: [{ rows_deleted: 4_990, rows_locked: 10 }] })
  await other.end()
  expect(await run()).toMatchObject({ databases: [{ rows_deleted: 10, rows_locked: 0 }] })
  expect(await count()).toBe(1_000)
})

test('numbers since the epoch and an extra condition are understood', async ({ skip }) => {
  const made = await fixture(skip, {
    rule: { column: 'seconds', unit: 's', where: "body <> 'kept' AND body <> 'new' OR body = 'new'" },
  })
  await made.db
    .query(`ALTER TABLE events ADD seconds bigint; UPDATE events SET seconds = extract(epoch FROM at);
    UPDATE events SET body = 'kept' WHERE id <= 100`)
  expect(await made.run()).toMatchObject({ databases: [{ rows_deleted: 4_900 }] })
  const ms = await fixture(skip, { rule: { column: 'ms', unit: 'ms' } })
  await ms.db.query('ALTER TABLE events ADD ms bigint; UPDATE events SET ms = 1000 * extract(epoch FROM at)')
  expect(await ms.run()).toMatchObject({ databases: [{ rows_deleted: 5_000 }] })
})

test('VACUUM FULL, partitioned tables, unknown tables and columns are refused before a row is touched', async ({
  skip,
}) => {
  const made = await fixture(skip)
  await expect(made.run({ database: { vacuum: 'full' } })).rejects.toMatchObject({
    code: 'VACUUM_FULL_REFUSED',
  })
  expect(await made.count()).toBe(6_000)
  await made.db.query('CREATE TABLE parts (at timestamptz) PARTITION BY RANGE (at)')
  for (const rule of [
    { table: `${made.schema}.parts` },
    { table: 'nowhere.none' },
    { column: 'none' },
    { unit: 'iso' },
  ]) {
    const { run } = await fixture(skip, { rule: { table: `${made.schema}.events`, ...rule } })
    await expect(run(), JSON.stringify(rule)).rejects.toMatchObject({ code: 'DATABASE_RULE' })
  }
  expect(await made.count()).toBe(6_000)
})

test('a cancel ends the run within one batch; what was deleted is committed', async ({ skip }) => {
  const { run, count } = await fixture(skip)
  const controller = new AbortController()
  const progress = (rows: number) => void (rows >= 200 && controller.abort(new Error('cancelled')))
  await expect(run({ batch_size: 100 }, { signal: controller.signal, progress })).rejects.toThrow('cancelled')
  expect(await count()).toBe(5_800)
})

test('max_duration stops between two batches', async ({ skip }) => {
  const { run, count } = await fixture(skip)
  const first = await run({ batch_size: 100, pause_ms: 1_100, max_duration: '1s' })
  expect(first).toMatchObject({ truncated_by: 'max_duration', databases: [{ rows_deleted: 100 }] })
  expect(await count()).toBe(5_900)
})

test('no server, or no variable: the first is tried again, the second never helps', async ({ skip }) => {
  const { run } = await fixture(skip)
  vi.stubEnv('CLEANUP_TEST_DATABASE', 'postgres://nobody@127.0.0.1:1/none')
  await expect(run()).rejects.toMatchObject({ code: 'DATABASE_UNAVAILABLE', name: 'RetryableError' })
  vi.stubEnv('CLEANUP_TEST_DATABASE', '')
  await expect(run()).rejects.toMatchObject({ code: 'DATABASE_MISSING', name: 'NonRetryableError' })
})

test(
  'deleting waits for a replica that falls behind, and stops if it does not catch up',
  { timeout: 60_000 },
  async ({ skip }) => {
    const { own } = server ?? skip()
    if (own === null) return skip('the server of TEST_POSTGRES_URL is not ours')
    const made = await fixture(skip, { database: { maxReplicaLagMb: 1, replicaWaitMs: 500 } })
    const replica = await own.startReplica()
    onTestFinished(() => replica.stop())
    const standby = new Client(replica.url)
    await standby.connect()
    const replayed = async () => {
      const { rows } = await made.db.query('SELECT replay_lsn FROM pg_stat_replication')
      return rows[0]?.replay_lsn
    }
    await expect.poll(replayed).toEqual(expect.any(String))
    await standby.query('SELECT pg_wal_replay_pause()')
    const state = async () => {
      const { rows } = await standby.query('SELECT pg_get_wal_replay_pause_state() AS state')
      return rows[0].state
    }
    await expect.poll(state).toBe('paused')
    await made.db.query(`CREATE TABLE noise AS SELECT repeat('x', 900) FROM generate_series(1, 4000)`)
    expect(await made.run()).toMatchObject({
      outcome: 'partial',
      truncated_by: 'replica_lag',
      databases: [{ rows_deleted: 0 }],
    })
    await standby.query('SELECT pg_wal_replay_resume()')
    expect(await made.run()).toMatchObject({ outcome: 'done', databases: [{ rows_deleted: 5_000 }] })
    await standby.end()
  },
)
