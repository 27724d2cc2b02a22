import type { DatabaseSync } from 'node:sqlite'
import { setImmediate } from 'node:timers/promises'
import type { Problem } from '../store.js'
import type { SqliteConnection } from './connection.js'
import type { Generation, Generations } from './generations.js'
import { numberIn, type Row, textIn } from './rows.js'

const MAX_PROBLEMS = 1_000

const TABLES = ['collections', 'generations', 'documents', 'chunks', 'marks'] as const

interface Inspection {
  readonly generations: Generations
  readonly collection: string
  readonly signal: AbortSignal
}

/** SQLite's check of each table, then counts that do not add up and rows that belong to nothing. Each check reads a whole table. */
export async function inspectFile(
  { db, read }: SqliteConnection,
  { generations, collection, signal }: Inspection,
): Promise<readonly Problem[]> {
  // looked up in the snapshot of the check: others write meanwhile
  const ofCollection = (check: (generation: Generation) => readonly Problem[]) => () => {
    const generation = generations.current(collection)
    return generation === null ? [] : check(generation)
  }
  const checks = [
    ...TABLES.map((table) => () => checkTable(db, table)),
    ofCollection((generation) => checkCounts(db, generation)),
    ofCollection((generation) => findOrphans(db, generation)),
  ]
  const problems: Problem[] = []
  for (const check of checks) {
    problems.push(...(await read(check).catch(damageOf)))
    await setImmediate()
    signal.throwIfAborted()
  }
  return problems.slice(0, MAX_PROBLEMS)
}

/** A check that cannot go on has found something. */
function damageOf(error: unknown): readonly Problem[] {
  const isDamage = error instanceof Error && 'code' in error && error.code === 'STORE_CORRUPT'
  if (!isDamage) throw error
  return [{ id: null, code: 'FILE_DAMAGED', detail: error.message }]
}

function checkTable(db: DatabaseSync, table: (typeof TABLES)[number]): readonly Problem[] {
  const rows = db.prepare(`PRAGMA quick_check('${table}')`).all()
  const said = rows.map((row) => textIn(row, 'quick_check')).filter((text) => text !== 'ok')
  return said.map((detail) => ({ id: null, code: 'FILE_DAMAGED', detail }))
}

function checkCounts(db: DatabaseSync, { key, documents, chunks }: Generation): readonly Problem[] {
  const count = (table: 'documents' | 'chunks'): number =>
    numberIn(db.prepare(`SELECT count(*) AS n FROM ${table} WHERE generation = ?`).get(key) ?? {}, 'n')
  return [
    ...compareCounts('documents', documents, count('documents')),
    ...compareCounts('chunks', chunks, count('chunks')),
  ]
}

function compareCounts(what: string, kept: number, counted: number): readonly Problem[] {
  if (kept === counted) return []
  const detail = `the collection says ${kept} ${what}, ${counted} are there`
  return [{ id: null, code: 'COUNT_MISMATCH', detail }]
}

function findOrphans(db: DatabaseSync, { key }: Generation): readonly Problem[] {
  const orphans = db.prepare(
    `SELECT c.document AS key, count(*) AS n FROM chunks c
     WHERE c.generation = ? AND NOT EXISTS (SELECT 1 FROM documents d WHERE d.key = c.document AND d.generation = c.generation)
     GROUP BY c.document LIMIT ${MAX_PROBLEMS}`,
  )
  return orphans.all(key).map(orphanProblem)
}

function orphanProblem(row: Row): Problem {
  const detail = `${numberIn(row, 'n')} chunks belong to the document of the key ${numberIn(row, 'key')}, which is not there`
  return { id: null, code: 'ORPHAN_CHUNKS', detail }
}
