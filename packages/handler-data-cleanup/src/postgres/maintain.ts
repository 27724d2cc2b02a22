import { setTimeout } from 'node:timers/promises'
import type { Client } from 'pg'
import { fault } from '../fault.js'
import type { PostgresDatabase, PruneRule } from '../options.js'
import type { DatabaseResult, DatabaseWork } from '../payload.js'
import type { Maintained } from '../sqlite/maintain.js'
import type { PruneLimits } from '../sqlite/prune.js'
import { cancellable, connectPostgres, postgresFault } from './connection.js'

const COUNT_LIMIT = 1_000

interface Database {
  readonly spec: PostgresDatabase
  readonly client: Client
  readonly limits: PruneLimits
  readonly signal: AbortSignal
}

/** Old rows in batches that skip what others have locked; then VACUUM, which takes no lock that readers or writers feel. */
export async function maintainPostgres(
  spec: PostgresDatabase,
  work: DatabaseWork,
  limits: PruneLimits,
  signal: AbortSignal,
): Promise<Maintained> {
  if (work.vacuum === 'full')
    throw fault('VACUUM_FULL_REFUSED', `${spec.name}: expected vacuum none or incremental`)
  const client = await connectPostgres(spec)
  const database: Database = { spec, client, limits, signal }
  try {
    const tables = await Promise.all(spec.prune.map((rule) => tableOf(database, rule)))
    const bytesBefore = await sizeOf(client, tables)
    const pruned = work.prune ? await pruneAll(database, tables) : { rows: 0, locked: 0, truncatedBy: null }
    const vacuumed = await vacuum(database, tables, work)
    const bytesAfter = await sizeOf(client, tables)
    const result: DatabaseResult = {
      name: spec.name,
      engine: 'postgres',
      rows_deleted: pruned.rows,
      rows_locked: pruned.locked,
      // pages of 8 KiB that went back to the file system; the others are free for new rows
      pages_freed: Math.max(0, Math.floor((bytesBefore - bytesAfter) / 8_192)),
      bytes_before: bytesBefore,
      bytes_after: bytesAfter,
      integrity: 'skipped',
      checkpoint: 'skipped',
      vacuum: vacuumed,
    }
    return { result, truncatedBy: pruned.truncatedBy }
  } catch (error) {
    signal.throwIfAborted()
    throw postgresFault(error, spec)
  } finally {
    await client.end().catch(() => {})
  }
}

interface Table {
  readonly rule: PruneRule
  /** Quoted by the server. */
  readonly name: string
  readonly oid: string
}

/** A plain table; a partitioned one is refused, since dropping partitions is what it is for. */
async function tableOf({ client, spec }: Pick<Database, 'client' | 'spec'>, rule: PruneRule): Promise<Table> {
  const { rows } = await client.query<{ oid: string; kind: string; name: string }>(
    'SELECT c.oid::text AS oid, c.relkind AS kind, c.oid::regclass::text AS name FROM pg_class c WHERE c.oid = to_regclass($1)',
    [
      rule.table
        .split('.')
        .map((part) => client.escapeIdentifier(part))
        .join('.'),
    ],
  )
  const found = rows[0]
  if (found?.kind === 'r') return { rule, name: found.name, oid: found.oid }
  const why = found?.kind === 'p' ? 'is partitioned: drop old partitions, or name one of them' : 'is no table'
  throw fault('DATABASE_RULE', `${spec.name}: ${rule.table} ${why}`)
}

async function sizeOf(client: Client, tables: readonly Table[]): Promise<number> {
  const { rows } = await client.query<{ bytes: string }>(
    'SELECT coalesce(sum(pg_total_relation_size(oid)), 0)::text AS bytes FROM unnest($1::oid[]) AS oid',
    [[...new Set(tables.map(({ oid }) => oid))]],
  )
  return Number(rows[0]?.bytes ?? 0)
}

interface Pruned {
  readonly rows: number
  readonly locked: number
  readonly truncatedBy: 'max_duration' | 'replica_lag' | null
}

async function pruneAll(database: Database, tables: readonly Table[]): Promise<Pruned> {
  let rows = 0
  let locked = 0
  for (const table of tables) {
    const pruned = await pruneTable(database, table, rows)
    rows += pruned.rows
    locked += pruned.locked
    if (pruned.truncatedBy !== null) return { rows, locked, truncatedBy: pruned.truncatedBy }
  }
  return { rows, locked, truncatedBy: null }
}

async function pruneTable(database: Database, table: Table, before: number): Promise<Pruned> {
  const { client, limits, signal } = database
  const { condition, value } = conditionOf(database, table.rule)
  // a tid can be used within the statement that locked its row; each batch commits by itself
  const doomed = `SELECT ctid FROM ${table.name} WHERE ${condition} LIMIT ${limits.batchSize} FOR UPDATE SKIP LOCKED`
  const sql = `DELETE FROM ${table.name} WHERE ctid = ANY (ARRAY(${doomed}))`
  let rows = 0
  for (;;) {
    signal.throwIfAborted()
    if (performance.now() >= limits.stopAt) return { rows, locked: 0, truncatedBy: 'max_duration' }
    if (!(await replicasKeepUp(database))) return { rows, locked: 0, truncatedBy: 'replica_lag' }
    const { rowCount } = await client.query(sql, [value])
    rows += rowCount ?? 0
    limits.progress(before + rows)
    if ((rowCount ?? 0) === 0) break
    if (limits.pauseMs > 0) await setTimeout(limits.pauseMs, undefined, { signal })
  }
  const left = `SELECT count(*)::int AS n FROM (SELECT 1 FROM ${table.name} WHERE ${condition} LIMIT ${COUNT_LIMIT}) AS old`
  const answer = await client.query<{ n: number }>(left, [value])
  return { rows, locked: answer.rows[0]?.n ?? 0, truncatedBy: null }
}

function conditionOf(
  { client, limits, spec }: Pick<Database, 'client' | 'limits' | 'spec'>,
  { column, unit, where }: PruneRule,
): { readonly condition: string; readonly value: string | number } {
  const { cutoff } = limits
  const name = client.escapeIdentifier(column)
  const extra = where === undefined ? '' : ` AND (${where})`
  if (unit === 'time')
    return { condition: `${name} < $1::timestamptz${extra}`, value: new Date(cutoff).toISOString() }
  if (unit === 'iso')
    throw fault('DATABASE_RULE', `${spec.name}: expected the unit s, ms or time for PostgreSQL, got iso`)
  return {
    condition: `${name} < $1::bigint${extra}`,
    value: Math.floor(unit === 's' ? cutoff / 1_000 : cutoff),
  }
}

/** Bytes of the log that the slowest replica has still to replay; 0 without replicas, or where the role may not see them. */
async function replicaLag(client: Client): Promise<number> {
  const { rows } = await client.query<{ bytes: string | null }>(
    'SELECT max(pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn))::text AS bytes FROM pg_stat_replication',
  )
  return Number(rows[0]?.bytes ?? 0)
}

async function replicasKeepUp({ client, spec, signal, limits }: Database): Promise<boolean> {
  const giveUpAt = Math.min(performance.now() + spec.replicaWaitMs, limits.stopAt)
  while ((await replicaLag(client)) > spec.maxReplicaLagMb * 1024 * 1024) {
    if (performance.now() >= giveUpAt) return false
    await setTimeout(250, undefined, { signal })
  }
  return true
}

async function vacuum(
  database: Database,
  tables: readonly Table[],
  work: DatabaseWork,
): Promise<DatabaseResult['vacuum']> {
  const { spec, client, signal } = database
  if (work.vacuum === 'none' && !work.analyze) return 'skipped'
  const verb = work.vacuum === 'none' ? 'ANALYZE' : work.analyze ? 'VACUUM (ANALYZE)' : 'VACUUM'
  for (const name of new Set(tables.map((table) => table.name)))
    await cancellable(spec, client, signal, () => client.query(`${verb} ${name}`))
  return work.vacuum === 'none' ? 'skipped' : 'done'
}

/** How many rows a rule would delete. */
export async function countPostgres(
  spec: PostgresDatabase,
  limits: PruneLimits,
): Promise<readonly { table: string; rows: number }[]> {
  const client = await connectPostgres(spec)
  try {
    const counts: { table: string; rows: number }[] = []
    for (const rule of spec.prune) {
      const table = await tableOf({ client, spec }, rule)
      const { condition, value } = conditionOf({ client, limits, spec }, rule)
      const { rows } = await client.query<{ n: string }>(
        `SELECT count(*)::text AS n FROM ${table.name} WHERE ${condition}`,
        [value],
      )
      counts.push({ table: rule.table, rows: Number(rows[0]?.n ?? 0) })
    }
    return counts
  } catch (error) {
    throw postgresFault(error, spec)
  } finally {
    await client.end().catch(() => {})
  }
}
