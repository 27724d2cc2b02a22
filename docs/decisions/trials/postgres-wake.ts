/** Wake-ups, equal submits, exact limits, dead owners, a frozen server on PostgreSQL. Run: DATABASE_URL=postgres://… node postgres-wake.ts */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect, say, SCHEMA, url } from './postgres-schema.ts'

const db = await connect()
await db.query(SCHEMA)
const elapsed = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

// NOTIFY: how fast another connection hears of it
const listener = await connect()
await listener.query('listen ready')
const waits: number[] = []
for (let i = 0; i < 300; i++) {
  const heard = once(listener, 'notification')
  const from = performance.now()
  await db.query('notify ready')
  await heard
  waits.push(performance.now() - from)
}
waits.sort((a, b) => a - b)
say(
  'NOTIFY heard after ms, p50 and p99',
  [waits[150], waits[297]].map((ms) => +(ms ?? 0).toFixed(2)),
)

// what a NOTIFY, or an exact counter, in each submit costs
const clients = await Promise.all(Array.from({ length: 16 }, connect))
const rate = async (label: string, extra: string) => {
  const from = performance.now()
  await Promise.all(
    clients.map(async (client, c) => {
      for (let i = 0; i < 100; i++) {
        await client.query(
          `with t as (insert into trial.tasks (id, type, version, payload, hash, rank, ready_at) values ($1, 'a', 1, '{}', 'h', 1, 0)) ${extra}`,
          [`${label}-${c}-${i}`],
        )
      }
    }),
  )
  say(`submits/s of 16 connections, ${label}`, Math.round(1600 / ((performance.now() - from) / 1000)))
}
await db.query(
  'create table trial.waiting (n int); insert into trial.waiting values (0); create table trial.deltas (type text, n int)',
)
await rate('plain', 'select 1')
await rate('with NOTIFY each', "select pg_notify('ready', '')")
await rate('with one counter row', 'update trial.waiting set n = n + 1')
await rate('with a delta row', "insert into trial.deltas values ('a', 1)")
await rate('plain again', 'select 1')

// N equal submits at once
const key =
  "insert into trial.keys values ('s', 'a', $1, $2, $3, 1000) on conflict (scope, type, key) do update set hash = excluded.hash, task_id = excluded.task_id, until = excluded.until where trial.keys.until <= $4 returning task_id"
const equal = await Promise.all(
  clients.map(async (client, c) => (await client.query(key, ['K', 'h', `t${c}`, 0])).rowCount),
)
say('16 equal submits: accepted', equal.filter((n) => n === 1).length)
say(
  "the same after its ttl by the caller's wall clock: accepted",
  (await db.query(key, ['K', 'h', 'later', 1001])).rowCount,
)
const [a, b] = [await connect(), await connect()]
await a.query('begin')
await b.query('begin')
await a.query(key, ['x', 'h', '1', 0])
await b.query(key, ['y', 'h', '2', 0])
const cross = await Promise.allSettled([a.query(key, ['y', 'h', '1', 0]), b.query(key, ['x', 'h', '2', 0])])
say(
  'two batches with their keys in opposite order',
  cross.map((r) => (r.status === 'rejected' ? `threw ${(r.reason as { code: string }).code}` : 'ok')),
)
await a.query('rollback')
await b.query('rollback')

// an owner's advisory lock goes with its process
const owner = spawn(
  process.execPath,
  [
    '--input-type=module',
    '-e',
    `
  import { pg } from ${JSON.stringify(import.meta.resolve('../../../bench/peers.ts'))}
  const c = new pg.Client({ connectionString: ${JSON.stringify(url)} }); await c.connect()
  await c.query('select pg_advisory_lock(4711)'); console.log('held'); setInterval(() => {}, 1e6)`,
  ],
  { stdio: ['ignore', 'pipe', 'inherit'] },
)
await once(owner.stdout, 'data')
const probe = async () =>
  (await db.query<{ free: boolean }>('select pg_try_advisory_lock(4711) free')).rows[0]?.free ?? false
say('lock of a live owner is free', await probe())
owner.kill('SIGKILL')
const died = performance.now()
while (!(await probe())) await elapsed(1)
say('free after its kill -9, ms', Math.round(performance.now() - died))

// frozen connections: their backends are stopped, and see the statements when they go on
const frozen = await Promise.all([connect(), connect()])
const pids = await Promise.all(
  frozen.map(
    async (client) => (await client.query<{ pid: number }>('select pg_backend_pid() pid')).rows[0]?.pid ?? 0,
  ),
)
const within = (ms: number, work: Promise<unknown>) => {
  const from = performance.now()
  const ending = (how: string) => ({ how, ms: Math.round(performance.now() - from) })
  return Promise.race([
    work.then(
      () => ending('answered'),
      (error: Error) => ending(`threw ${error.message.slice(0, 50)}`),
    ),
    elapsed(ms).then(() => ending('still waiting')),
  ])
}
for (const pid of pids) process.kill(pid, 'SIGSTOP')
try {
  say('query, frozen', await within(2000, frozen[0]?.query('select 1') ?? Promise.resolve()))
  say('end(), frozen, a query under way', await within(2000, frozen[0]?.end() ?? Promise.resolve()))
  const bounded = {
    text: "insert into trial.keys values ('s', 'a', 'frozen', 'h', 'f', 0)",
    query_timeout: 500,
  }
  say('insert with query_timeout 500', await within(2000, frozen[1]?.query(bounded) ?? Promise.resolve()))
  for (const client of frozen) client.connection.stream.destroy()
} finally {
  for (const pid of pids) process.kill(pid, 'SIGCONT')
}
await elapsed(300)
say(
  'after the thaw: the insert that timed out is stored',
  (await db.query("select 1 from trial.keys where key = 'frozen'")).rowCount,
)
await Promise.all([...clients, listener, a, b, db].map((client) => client.end()))
