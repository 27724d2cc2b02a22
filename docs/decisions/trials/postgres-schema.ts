import { pg } from '../../../bench/peers.ts'

/** The least of a task table that the trials need, in a schema of its own. */
export const SCHEMA = `
drop schema if exists trial cascade;
create schema trial;
set search_path = trial;
create sequence fences;
create table tasks (
  seq bigint generated always as identity primary key,
  id text not null unique, type text not null, version int not null, payload text not null, hash text not null,
  status text not null default 'queued', rank bigint not null, ready_at bigint not null,
  fence bigint, owner text, lease_until timestamptz, deliveries int not null default 0, result text
);
create index ready on tasks (type, version, rank, seq) include (id) where status = 'queued';
create index leases on tasks (lease_until) where status = 'running';
create index by_state on tasks (type, status, version);
create table keys (scope text, type text, key text, hash text not null, task_id text not null, until bigint not null, primary key (scope, type, key));
`

/** A lateral head per wanted type and version, so that each is one ordered index scan; caps per type; then the oldest ranks of all. */
export const CLAIM = `
with wanted as (select * from unnest($1::text[], $2::int[], $3::int[]) as w(type, version, free)),
heads as (
  select h.*, w.free, row_number() over (partition by w.type order by h.rank, h.seq) as nth
  from wanted w cross join lateral (
    select t.type, t.seq, t.rank from trial.tasks t
    where t.status = 'queued' and t.type = w.type and t.version = w.version
    order by t.rank, t.seq limit least(w.free, $4::int) for update skip locked) h),
picked as (select seq from heads where nth <= free order by rank, seq limit $4::int)
update trial.tasks t set status = 'running', fence = nextval('trial.fences'), owner = $5, deliveries = deliveries + 1,
  lease_until = clock_timestamp() + interval '30 s'
from picked where t.seq = picked.seq
returning t.seq, t.id, t.type, t.rank, t.fence, t.deliveries`

/** The same, but only what is picked is locked: a claimer that loses the race for a row gets fewer than it could have had. */
export const CLAIM_LOCK_LATE = CLAIM.replace('for update skip locked', '')
  .replace(
    'update trial.tasks t',
    `, locked as (select t.seq from trial.tasks t join picked using (seq) where t.status = 'queued' for update of t skip locked)
update trial.tasks t`,
  )
  .replace('from picked where t.seq = picked.seq', 'from locked where t.seq = locked.seq')

export const SETTLE = `
update trial.tasks set status = 'succeeded', result = $3, fence = null, owner = null, lease_until = null
where id = $1 and fence = $2 and status = 'running' and lease_until > clock_timestamp()`

export const url = process.env['DATABASE_URL'] ?? 'postgres://localhost/postgres'

export async function connect(): Promise<InstanceType<typeof pg.Client>> {
  const client = new pg.Client({ connectionString: url })
  client.on('error', () => {})
  await client.connect()
  return client
}

export const say = (what: string, seen: unknown): void => console.log(`${what}: ${JSON.stringify(seen)}`)
