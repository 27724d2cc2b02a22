import type { DatabaseSync } from 'node:sqlite'
import type { ChunkOptions } from '../options.js'
import type { CollectionInfo, GenerationSpec } from '../store.js'
import { numberIn, numberOrNullIn, type Row, textIn } from './rows.js'

export interface Generation {
  readonly key: number
  /** The key of its collection. */
  readonly collection: number
  readonly number: number
  readonly embedder: string
  readonly dim: number
  readonly chunk: ChunkOptions | null
  readonly documents: number
  readonly chunks: number
}

/** Added to a generation's row at the end of a transaction. */
export interface Counts {
  documents: number
  chunks: number
  removals: number
}

export function createCounts(): Counts {
  return { documents: 0, chunks: 0, removals: 0 }
}

const FIND = `SELECT k.name, g.* FROM collections k JOIN generations g ON g.collection = k.key`

function generationOf(row: Row): Generation {
  const size = numberOrNullIn(row, 'chunk_size')
  const overlap = numberOrNullIn(row, 'chunk_overlap')
  return {
    key: numberIn(row, 'key'),
    collection: numberIn(row, 'collection'),
    number: numberIn(row, 'number'),
    embedder: textIn(row, 'embedder'),
    dim: numberIn(row, 'dim'),
    chunk: size === null || overlap === null ? null : { size, overlap },
    documents: numberIn(row, 'documents'),
    chunks: numberIn(row, 'chunks'),
  }
}

function generationOrNull(row: Row | undefined): Generation | null {
  return row === undefined ? null : generationOf(row)
}

function infoOf(row: Row): CollectionInfo {
  const { number, documents, chunks, embedder, dim, chunk } = generationOf(row)
  return { name: textIn(row, 'name'), generation: number, count: documents, chunks, embedder, dim, chunk }
}

export type Generations = ReturnType<typeof createGenerations>

/** The rows of `collections` and `generations`. Every call runs within a transaction of its caller. */
export function createGenerations(db: DatabaseSync) {
  const { find, list, add, next, insert, setState, count, revise } = prepareStatements(db)
  const one = (name: string, state: 'current' | 'building') => find.get(name, state)
  return {
    current: (name: string) => generationOrNull(one(name, 'current')),
    building: (name: string) => generationOrNull(one(name, 'building')),
    describe(name: string): CollectionInfo | null {
      const row = one(name, 'current')
      return row === undefined ? null : infoOf(row)
    },
    list: () => list.all().map(infoOf),
    /** Makes the collection too, if there is none. */
    begin({ collection, embedder, dim, chunk }: GenerationSpec, state: 'current' | 'building'): Generation {
      add.run(collection)
      const row = next.get(collection) ?? {}
      const sizes = [chunk?.size ?? null, chunk?.overlap ?? null] as const
      insert.run(
        numberIn(row, 'key'),
        numberIn(row, 'generations'),
        state,
        embedder,
        dim,
        ...sizes,
        Date.now(),
      )
      return generationOf(one(collection, state) ?? {})
    },
    setState: (key: number, state: 'current' | 'waste') => void setState.run(state, Date.now(), key),
    count: (key: number, { documents, chunks, removals }: Counts) =>
      void count.run(documents, chunks, removals, Date.now(), key),
    /** Takes `by` revisions; answers the last one. */
    takeRevisions: (collection: number, by: number) => numberIn(revise.get(by, collection) ?? {}, 'revision'),
  }
}

function prepareStatements(db: DatabaseSync) {
  return {
    find: db.prepare(`${FIND} WHERE k.name = ? AND g.state = ?`),
    list: db.prepare(`${FIND} WHERE g.state = 'current' ORDER BY k.name`),
    add: db.prepare(
      'INSERT INTO collections (name, generations, revision) VALUES (?, 0, 0) ON CONFLICT DO NOTHING',
    ),
    next: db.prepare(
      'UPDATE collections SET generations = generations + 1 WHERE name = ? RETURNING key, generations',
    ),
    insert: db.prepare(
      `INSERT INTO generations (collection, number, state, embedder, dim, chunk_size, chunk_overlap, documents, chunks, removals, updated_at)
     VALUES (?, ?, ?, ?, ?, ?, ?, 0, 0, 0, ?)`,
    ),
    setState: db.prepare('UPDATE generations SET state = ?, updated_at = ? WHERE key = ?'),
    count: db.prepare(
      `UPDATE generations SET documents = documents + ?, chunks = chunks + ?, removals = removals + ?, updated_at = ? WHERE key = ?`,
    ),
    revise: db.prepare('UPDATE collections SET revision = revision + ? WHERE key = ? RETURNING revision'),
  }
}
