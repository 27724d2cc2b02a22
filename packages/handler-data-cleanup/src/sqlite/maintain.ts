import { setTimeout } from 'node:timers/promises'
import { fault } from '../fault.js'
import type { SqliteDatabase } from '../options.js'
import type { DatabaseResult, DatabaseWork } from '../payload.js'
import { type SqliteFile, openSqlite, pragma, whileBusy } from './connection.js'
import {
  type PruneLimits,
  type Pruned,
  WAL_HIGH_BYTES,
  emptyWal,
  freePages,
  pruneTable,
  sizeOf,
} from './prune.js'

export interface Maintained {
  readonly result: DatabaseResult
  readonly truncatedBy: Pruned['truncatedBy'] | 'replica_lag'
}

const INCREMENTAL = 2
/** Pages per slice of the vacuum: one slice is one transaction. */
const VACUUM_SLICE = 256
const CHECKPOINT_WAIT_MS = 2_000

/** Deletes, gives pages back, moves the log into the file, renews the statistics. `checkIntegrity` has come before, of all files of the target. */
export async function maintainSqlite(
  spec: SqliteDatabase,
  work: DatabaseWork,
  limits: PruneLimits,
  signal: AbortSignal,
): Promise<Maintained> {
  const file = await openSqlite(spec, signal)
  try {
    const bytesBefore = await sizeOf(spec.path)
    const pagesBefore = pragma(file.db, 'page_count')
    const pruned = work.prune ? await pruneAll(file, limits) : { rows: 0, truncatedBy: null }
    const vacuum = pruned.truncatedBy === null ? await vacuumFile(file, work.vacuum, limits) : 'skipped'
    const checkpoint = work.checkpoint ? await checkpointWal(file) : 'skipped'
    if (work.analyze && pruned.truncatedBy === null) await optimize(file)
    const pagesAfter = pragma(file.db, 'page_count')
    const result: DatabaseResult = {
      name: spec.name,
      engine: 'sqlite',
      rows_deleted: pruned.rows,
      rows_locked: 0,
      pages_freed: pagesBefore - pagesAfter,
      bytes_before: bytesBefore,
      bytes_after: await sizeOf(spec.path),
      integrity: work.integrity ? 'ok' : 'skipped',
      checkpoint,
      vacuum,
    }
    return { result, truncatedBy: pruned.truncatedBy }
  } finally {
    file.db.close()
  }
}

/** One unit of work: SQLite cannot be stopped within it. */
export async function checkIntegrity(file: SqliteFile): Promise<void> {
  const rows = await whileBusy(file, () => file.db.prepare('PRAGMA quick_check(5)').all())
  const lines = rows.map((row) => String(Object.values(row)[0]))
  if (lines.length === 1 && lines[0] === 'ok') return
  throw fault('INTEGRITY_FAILED', `${file.spec.name}: ${file.spec.path}: ${lines.join('; ').slice(0, 500)}`)
}

async function pruneAll(file: SqliteFile, limits: PruneLimits): Promise<Pruned> {
  let rows = 0
  for (const rule of file.spec.prune) {
    const before = rows
    const progress = (more: number) => limits.progress(before + more)
    const pruned = await pruneTable(file, rule, { ...limits, progress })
    rows += pruned.rows
    if (pruned.truncatedBy !== null) return { rows, truncatedBy: pruned.truncatedBy }
  }
  return { rows, truncatedBy: null }
}

async function vacuumFile(
  file: SqliteFile,
  how: DatabaseWork['vacuum'],
  { pauseMs, stopAt }: PruneLimits,
): Promise<DatabaseResult['vacuum']> {
  const { db, signal } = file
  if (how === 'none') return 'skipped'
  if (how === 'full') {
    await whileBusy(file, () => db.exec('VACUUM'))
    return 'done'
  }
  if (pragma(db, 'auto_vacuum') !== INCREMENTAL) return freePages(db) === 0 ? 'done' : 'not_enabled'
  let free = freePages(db)
  while (free > 0 && performance.now() < stopAt) {
    const from = performance.now()
    // through exec: a prepared statement that is read once frees a single page
    await whileBusy(file, () => db.exec(`PRAGMA incremental_vacuum(${VACUUM_SLICE})`))
    const tookMs = performance.now() - from
    const left = freePages(db)
    if (left >= free) break // readers hold the last pages
    free = left
    const wal = await sizeOf(`${file.spec.path}-wal`)
    if (wal > WAL_HIGH_BYTES) emptyWal(db)
    await setTimeout(Math.max(pauseMs, Math.ceil(tookMs)), undefined, { signal })
  }
  return 'done'
}

/** Tries for a moment; readers that stay longer are reported. */
async function checkpointWal({ db, signal }: SqliteFile): Promise<DatabaseResult['checkpoint']> {
  const giveUpAt = performance.now() + CHECKPOINT_WAIT_MS
  for (;;) {
    if (emptyWal(db).busy === 0) return 'done'
    if (performance.now() >= giveUpAt) return 'busy'
    await setTimeout(50, undefined, { signal })
  }
}

/** Only what needs it, and no table read whole: https://www.sqlite.org/pragma.html#pragma_optimize */
async function optimize(file: SqliteFile): Promise<void> {
  await whileBusy(file, () => file.db.exec('PRAGMA analysis_limit = 400; PRAGMA optimize'))
}
