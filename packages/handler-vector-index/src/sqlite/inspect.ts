import type { DatabaseSync } from 'node:sqlite'
import type { Problem } from '../store.js'
import type { Generation, Generations } from './generations.js'
import { numberIn, type Row, textIn } from './rows.js'

const MAX_PROBLEMS = 1_000

/** What the file says of itself, one table after the other: each check reads a whole table. */
export const INSPECTED = ['collections', 'generations', 'documents', 'chunks', 'marks'] as const

export function checkTable(db: DatabaseSync, table: (typeof INSPECTED)[number]): readonly Problem[] {
  const rows = db.prepare(`PRAGMA quick_check('${table}')`).all()
  const said = rows.map((row) => textIn(row, 'quick_check')).filter((text) => text !== 'ok')
  return said.slice(0, MAX_PROBLEMS).map((detail) => ({ id: null, code: 'FILE_DAMAGED', detail }))
}

/** Counts that do not add up, and rows that belong to nothing. Runs within a read transaction. */
export function checkRows(
  db: DatabaseSync,
  generations: Generations,
  collection: string,
): readonly Problem[] {
  const generation = generations.current(collection)
  if (generation === null) return []
  return [...checkCounts(db, generation), ...findOrphans(db, generation)]
}

function checkCounts(db: DatabaseSync, { key, documents, chunks }: Generation): readonly Problem[] {
  const count = (table: 'documents' | 'chunks'): number =>
    numberIn(db.prepare(`SELECT count(*) AS n FROM ${table} WHERE generation = ?`).get(key) ?? {}, 'n')
  const problem = (what: string, kept: number, counted: number): readonly Problem[] =>
    kept === counted
      ? []
      : [
          {
            id: null,
            code: 'COUNT_MISMATCH',
            detail: `the collection says ${kept} ${what}, ${counted} are there`,
          },
        ]
  return [
    ...problem('documents', documents, count('documents')),
    ...problem('chunks', chunks, count('chunks')),
  ]
}

function findOrphans(db: DatabaseSync, { key }: Generation): readonly Problem[] {
  const orphans = db.prepare(
    `SELECT c.document AS key, count(*) AS n FROM chunks c
     WHERE c.generation = ? AND NOT EXISTS (SELECT 1 FROM documents d WHERE d.key = c.document AND d.generation = c.generation)
     GROUP BY c.document LIMIT ${MAX_PROBLEMS}`,
  )
  const say = (row: Row): Problem => ({
    id: null,
    code: 'ORPHAN_CHUNKS',
    detail: `${numberIn(row, 'n')} chunks belong to the document of the key ${numberIn(row, 'key')}, which is not there`,
  })
  return orphans.all(key).map(say)
}
