import { ageMs } from './age.js'
import type { DatabaseTarget } from './options.js'
import type { Payload } from './payload.js'
import { countPostgres, maintainPostgres } from './postgres/maintain.js'
import { type Findings, nothingFound } from './result.js'
import { decideAgeMs } from './selection.js'
import { openSqlite } from './sqlite/connection.js'
import { type Maintained, checkIntegrity, maintainSqlite } from './sqlite/maintain.js'
import { type PruneLimits, countPrunable } from './sqlite/prune.js'
import type { Surroundings } from './surroundings.js'
import type { TaskContext } from './task-context.js'

const ROWS_PER_BATCH = 1_000

/** Deletes expired rows of each database and gives the space back. A dry run counts the rows. */
export async function cleanDatabases(
  target: DatabaseTarget,
  payload: Payload,
  around: Surroundings,
  context: TaskContext,
): Promise<Findings> {
  const cutoff = cutoffOf(target, payload, around)
  const limit = payload.max_duration === undefined ? Infinity : ageMs(payload.max_duration)
  const stopAt = performance.now() + Math.min(limit, context.task.deadline - Date.now() - 5_000)
  let done = 0
  const limits: PruneLimits = {
    cutoff,
    batchSize: payload.batch_size ?? ROWS_PER_BATCH,
    pauseMs: payload.pause_ms,
    stopAt,
    progress: (rows) => context.progress(done + rows, null, 'rows deleted'),
  }
  if (payload.dry_run) return countRows(target, limits, context.signal)
  await refuseDamaged(target, payload, context.signal)
  const ends: Maintained[] = []
  for (const database of target.databases) {
    context.signal.throwIfAborted()
    const work = payload.database
    ends.push(
      database.engine === 'sqlite'
        ? await maintainSqlite(database, work, limits, context.signal)
        : await maintainPostgres(database, work, limits, context.signal),
    )
    done += ends.at(-1)?.result.rows_deleted ?? 0
  }
  const truncatedBy = ends.map((end) => end.truncatedBy).find((by) => by !== null) ?? null
  return {
    ...nothingFound(),
    outcome: truncatedBy === null ? 'done' : 'partial',
    matched: done,
    databases: ends.map(({ result }) => result),
    truncated_by: truncatedBy,
  }
}

/** Without prune rules no age is needed: maintenance alone. */
function cutoffOf(target: DatabaseTarget, payload: Payload, around: Surroundings): number {
  const prunes = payload.database.prune && target.databases.some(({ prune }) => prune.length > 0)
  if (!prunes && payload.older_than === undefined) return Number.NEGATIVE_INFINITY
  return around.now() - decideAgeMs(payload.target, target, payload.older_than)
}

/** All files are looked at before anything is done to any of them. */
async function refuseDamaged(target: DatabaseTarget, payload: Payload, signal: AbortSignal): Promise<void> {
  if (!payload.database.integrity) return
  for (const database of target.databases) {
    if (database.engine !== 'sqlite') continue
    const file = await openSqlite(database, signal)
    try {
      await checkIntegrity(file)
    } finally {
      file.db.close()
    }
  }
}

export interface RowCount {
  readonly name: string
  readonly table: string
  readonly rows: number
}

export async function countOldRows(
  target: DatabaseTarget,
  limits: PruneLimits,
  signal: AbortSignal,
): Promise<readonly RowCount[]> {
  const counts: RowCount[] = []
  for (const database of target.databases) {
    if (database.engine === 'postgres') {
      const tables = await countPostgres(database, limits)
      counts.push(...tables.map((table) => ({ name: database.name, ...table })))
      continue
    }
    const file = await openSqlite(database, signal)
    try {
      for (const rule of database.prune)
        counts.push({
          name: database.name,
          table: rule.table,
          rows: await countPrunable(file, rule, limits.cutoff),
        })
    } finally {
      file.db.close()
    }
  }
  return counts
}

async function countRows(
  target: DatabaseTarget,
  limits: PruneLimits,
  signal: AbortSignal,
): Promise<Findings> {
  const counts = await countOldRows(target, limits, signal)
  const databases = target.databases.map(({ name, engine }) => ({
    name,
    engine,
    rows_deleted: counts.filter((each) => each.name === name).reduce((sum, { rows }) => sum + rows, 0),
    rows_locked: 0,
    pages_freed: 0,
    bytes_before: 0,
    bytes_after: 0,
    integrity: 'skipped' as const,
    checkpoint: 'skipped' as const,
    vacuum: 'skipped' as const,
  }))
  const matched = databases.reduce((sum, { rows_deleted }) => sum + rows_deleted, 0)
  return { ...nothingFound(), matched, databases }
}
