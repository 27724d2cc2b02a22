/** Claim, rank, caps, fences, counts, pages on PostgreSQL. Run: DATABASE_URL=postgres://… node postgres-claim.ts [rows, default 1000000] */
import { CLAIM, CLAIM_LOCK_LATE, connect, say, SCHEMA, SETTLE } from './postgres-schema.ts'

const rows = Number(process.argv[2] ?? 1_000_000)
const db = await connect()
await db.query(SCHEMA)
const put = (id: string, type: string, version: number, rank: number) =>
  db.query(
    "insert into trial.tasks (id, type, version, payload, hash, rank, ready_at) values ($1, $2, $3, '{}', 'h', $4, 0)",
    [id, type, version, rank],
  )
type Row = { id: string; type: string; rank: string; fence: string; deliveries: number }
const claim = async (
  wants: readonly (readonly [string, number, number])[],
  max: number,
  client = db,
  sql = CLAIM,
) => {
  const { rows: got } = await client.query<Row>(sql, [
    wants.map((w) => w[0]),
    wants.map((w) => w[1]),
    wants.map((w) => w[2]),
    max,
    'me',
  ])
  return got.toSorted((a, b) => Number(a.rank) - Number(b.rank))
}

await put('a1', 'a', 1, 30)
await put('b1', 'b', 1, 10)
await put('a2', 'a', 1, 20)
await put('b2', 'b', 1, 10)
await put('a3', 'a', 2, 5)
const first = await claim(
  [
    ['a', 1, 1],
    ['b', 1, 5],
  ],
  9,
)
say(
  'rank across types, free of a = 1, version 2 not wanted',
  first.map((row) => row.id),
)
const one = first[0]
if (!one) throw new Error('expected a delivery')
say('settle', (await db.query(SETTLE, [one.id, one.fence, '{}'])).rowCount)
say('settle again, same fence', (await db.query(SETTLE, [one.id, one.fence, '{}'])).rowCount)
const two = first[1]
await db.query("update trial.tasks set lease_until = clock_timestamp() - interval '1 ms' where id = $1", [
  two?.id,
])
say(
  "settle after the lease ended by the server's clock",
  (await db.query(SETTLE, [two?.id, two?.fence, '{}'])).rowCount,
)

await db.query('truncate trial.tasks')
await db.query(
  `insert into trial.tasks (id, type, version, payload, hash, rank, ready_at)
   select 'x' || i, 't' || (i % 20), 1 + (i % 3), repeat('p', 200), 'h', i, 0 from generate_series(1, $1::int) i`,
  [rows],
)
await db.query('vacuum analyze trial.tasks')
const many = Array.from({ length: 20 }, (_, i) => [1, 2, 3].map((v) => [`t${i}`, v, 64] as const)).flat()
const args = [many.map((w) => w[0]), many.map((w) => w[1]), many.map((w) => w[2]), 64, 'me']
await db.query('begin')
const plan = await db.query<{ 'QUERY PLAN': string }>(
  `explain (analyze, buffers, costs off, timing off) ${CLAIM}`,
  args,
)
await db.query('rollback')
const lines = plan.rows.map((row) => row['QUERY PLAN'])
say(
  `claim 64 of 20 types × 3 versions at ${rows} waiting`,
  lines.filter((line) => /Index|Seq Scan|Execution|LockRows/.test(line)).map((line) => line.trim()),
)
const timed = async (
  times: number,
  wants: readonly (readonly [string, number, number])[],
  max: number,
  sql = CLAIM,
) => {
  const from = performance.now()
  let got = 0
  for (let i = 0; i < times; i++) got += (await claim(wants, max, db, sql)).length
  return { msEach: +((performance.now() - from) / times).toFixed(2), got }
}
say('60 heads, 64 each time', await timed(50, many, 64))
say('60 heads, 64 each time, locks only what it picks', await timed(50, many, 64, CLAIM_LOCK_LATE))
say('1 type, 64 each time', await timed(50, [['t1', 1, 64]], 64))
say(
  '4 types of one version, 4 each time',
  await timed(
    50,
    [0, 1, 2, 3].map((i) => [`t${i}`, 1, 4] as const),
    4,
  ),
)

// dead index entries at the head, kept by a snapshot that somebody holds (a backup)
const holder = await connect()
await holder.query('begin isolation level repeatable read')
await holder.query('select count(*) from trial.tasks where seq < 10')
const early = await timed(20, [['t5', 1, 64]], 64)
for (let i = 0; i < 150; i++) await claim([['t5', 1, 64]], 64)
const late = await timed(20, [['t5', 1, 64]], 64)
say('a held snapshot: first and after 10,000 claims', [early.msEach, late.msEach])
await holder.query('rollback')
await holder.end()

// many claimers: nothing twice, nothing lost
const clients = await Promise.all(Array.from({ length: 8 }, connect))
for (const [how, sql, turn] of [
  ['all heads locked', CLAIM, false],
  ['picked ones locked', CLAIM_LOCK_LATE, false],
  ['picked ones locked, one claimer at a time', CLAIM_LOCK_LATE, true],
] as const) {
  const seen: string[] = []
  let short = 0
  const from = performance.now()
  await Promise.all(
    clients.map(async (client) => {
      for (let i = 0; i < 25; i++) {
        // a statement of its own: the claim's snapshot must be newer than the lock
        if (turn) await client.query('begin; select pg_advisory_xact_lock(42)')
        const got = await claim(
          [
            ['t7', 2, 16],
            ['t8', 2, 16],
          ],
          16,
          client,
          sql,
        )
        if (turn) await client.query('commit')
        if (got.length < 16) short++
        seen.push(...got.map((row) => row.id))
      }
    }),
  )
  say(`8 claimers × 25 × 16, ${how}`, {
    deliveries: seen.length,
    distinct: new Set(seen).size,
    short,
    perSecond: Math.round(seen.length / ((performance.now() - from) / 1000)),
  })
}
const gaps = await db.query<{ n: string }>(
  `select count(*) n from trial.tasks q where q.status = 'queued' and q.type in ('t7', 't8') and q.version = 2
   and q.rank < (select max(rank) from trial.tasks r where r.type in ('t7', 't8') and r.version = 2 and r.status = 'running')`,
)
say('tasks passed over for a younger one', gaps.rows[0]?.n)
await Promise.all(clients.map((client) => client.end()))

await db.query('vacuum trial.tasks')
const c0 = performance.now()
await db.query('select type, status, version, count(*) from trial.tasks group by 1, 2, 3')
say('exact counts by type, status, version: ms', Math.round(performance.now() - c0))
const l0 = performance.now()
await db.query('select * from trial.tasks where seq < 500000 order by seq desc limit 100')
say('page: ms', +(performance.now() - l0).toFixed(1))
const l1 = performance.now()
await db.query(
  "select * from trial.tasks where status = 'succeeded' and type = 't1' and seq < 900000 order by seq desc limit 100",
)
say('page of a rare status and type without an index for it: ms', +(performance.now() - l1).toFixed(1))
await db.end()
