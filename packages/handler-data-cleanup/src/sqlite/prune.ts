import { stat } from 'node:fs/promises'
import { setTimeout } from 'node:timers/promises'
import type { DatabaseSync, SQLInputValue } from 'node:sqlite'
import { fault } from '../fault.js'
import type { PruneRule } from '../options.js'
import { type SqliteFile, inTransaction, pragma, whileBusy } from './connection.js'

/** A transaction longer than that keeps writers waiting: the next one takes half as many rows. */
const LONG_MS = 25
/** The write-ahead log is brought down before it is larger than that. */
export const WAL_HIGH_BYTES = 6 * 1024 * 1024
const WAL_WAIT_MS = 5_000

export interface PruneLimits {
  readonly cutoff: number
  readonly batchSize: number
  readonly pauseMs: number
  /** In `performance.now()` terms. */
  readonly stopAt: number
  readonly progress: (rows: number) => void
}

export interface Pruned {
  readonly rows: number
  readonly truncatedBy: 'max_duration' | 'wal_busy' | null
}

/** Batches of their own transactions, with pauses as long as the transactions were, so that other writers get their turns. */
export async function pruneTable(file: SqliteFile, rule: PruneRule, limits: PruneLimits): Promise<Pruned> {
  const { statement, value } = await whileBusy(file, () => prepareDelete(file, rule, limits.cutoff))
  let rows = 0
  let batch = limits.batchSize
  for (;;) {
    if (performance.now() >= limits.stopAt) return { rows, truncatedBy: 'max_duration' }
    if (!(await bringDownWal(file))) return { rows, truncatedBy: 'wal_busy' }
    let tookMs = 0
    const deleted = await whileBusy(file, () =>
      inTransaction(file.db, () => {
        const from = performance.now()
        const { changes } = statement.run(value, batch)
        tookMs = performance.now() - from
        return Number(changes)
      }),
    )
    rows += deleted
    limits.progress(rows)
    if (deleted < batch) return { rows, truncatedBy: null }
    if (tookMs > LONG_MS) batch = Math.max(10, Math.floor(batch / 2))
    await setTimeout(Math.max(limits.pauseMs, Math.ceil(tookMs)), undefined, { signal: file.signal })
  }
}

/** How many rows a rule would delete. */
export async function countPrunable(file: SqliteFile, rule: PruneRule, cutoff: number): Promise<number> {
  return whileBusy(file, () => {
    keyOf(file, rule)
    const count = file.db.prepare(
      `SELECT count(*) AS n FROM ${quoted(rule.table)} WHERE ${conditionOf(rule)}`,
    )
    return Number(count.get(cutoffValue(rule, cutoff))?.['n'])
  })
}

function prepareDelete(file: SqliteFile, rule: PruneRule, cutoff: number) {
  const { db } = file
  const key = keyOf(file, rule)
  const table = quoted(rule.table)
  const doomed = `SELECT ${key} FROM ${table} WHERE ${conditionOf(rule)} LIMIT ?`
  const statement = db.prepare(`DELETE FROM ${table} WHERE (${key}) IN (${doomed})`)
  return { statement, value: cutoffValue(rule, cutoff) }
}

function conditionOf({ column, where }: PruneRule): string {
  return `${quoted(column)} < ?${where === undefined ? '' : ` AND (${where})`}`
}

/** What names a row: its rowid, or the primary key of a table without. Throws `DATABASE_RULE` where table or column are not there. */
function keyOf({ db, spec }: SqliteFile, { table, column }: PruneRule): string {
  const refuse = (why: string) => fault('DATABASE_RULE', `${spec.name}: ${why}`)
  const info = db
    .prepare('SELECT type, wr FROM pragma_table_list WHERE schema = ? AND name = ?')
    .get('main', table)
  if (info?.['type'] !== 'table') throw refuse(`expected a table named ${table}`)
  const columns = db.prepare('SELECT name, pk FROM pragma_table_info(?) ORDER BY cid').all(table)
  const names = columns.map((each) => String(each['name']))
  if (!names.includes(column))
    throw refuse(`expected a column ${column} in ${table}, which has ${names.join(', ')}`)
  if (info['wr'] === 0) return 'rowid'
  const keys = columns.filter((each) => Number(each['pk']) > 0)
  return keys
    .toSorted((a, b) => Number(a['pk']) - Number(b['pk']))
    .map((each) => quoted(String(each['name'])))
    .join(', ')
}

function cutoffValue({ unit, table, column }: PruneRule, cutoff: number): SQLInputValue {
  if (unit === 'ms') return Math.floor(cutoff)
  if (unit === 's') return Math.floor(cutoff / 1_000)
  if (unit === 'iso') return new Date(cutoff).toISOString()
  throw fault('DATABASE_RULE', `${table}.${column}: expected the unit s, ms or iso for SQLite, got ${unit}`)
}

function quoted(identifier: string): string {
  return `"${identifier.replaceAll('"', '""')}"`
}

/** Moves the log's pages into the file once it is large. Busy is a row, answered at once where readers are in the way. False: readers kept it from that for too long. */
async function bringDownWal({ db, spec, signal }: SqliteFile): Promise<boolean> {
  const giveUpAt = performance.now() + WAL_WAIT_MS
  while ((await sizeOf(`${spec.path}-wal`)) > WAL_HIGH_BYTES) {
    if (emptyWal(db).busy === 0) return true
    if (performance.now() >= giveUpAt) return false
    await setTimeout(50, undefined, { signal })
  }
  return true
}

export async function sizeOf(path: string): Promise<number> {
  return (await stat(path).catch(() => null))?.size ?? 0
}

interface CheckpointRow {
  readonly busy: number
  readonly log: number
  readonly checkpointed: number
}

/** `busy` is an answer, not an error. log −1: the file has no write-ahead log. */
function readCheckpoint(db: DatabaseSync, mode: 'PASSIVE' | 'TRUNCATE'): CheckpointRow {
  const row = db.prepare(`PRAGMA wal_checkpoint(${mode})`).get()
  return {
    busy: Number(row?.['busy']),
    log: Number(row?.['log']),
    checkpointed: Number(row?.['checkpointed']),
  }
}

/** PASSIVE keeps nobody waiting and does nearly all of it; only TRUNCATE makes the file small, and it locks writers out for the little that is left. */
export function emptyWal(db: DatabaseSync): CheckpointRow {
  readCheckpoint(db, 'PASSIVE')
  return readCheckpoint(db, 'TRUNCATE')
}

export function freePages(db: DatabaseSync): number {
  return pragma(db, 'freelist_count')
}
