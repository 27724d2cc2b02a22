import { DatabaseSync } from 'node:sqlite'
import { numberIn } from './sqlite/rows.js'

/** A set of ids of any size: what does not fit in 8 MiB lies in a temporary file, which goes with the process however it ends. */
export interface SeenIds {
  add(ids: readonly string[]): void
  has(id: string): boolean
  size(): number
  close(): void
}

export function createSeenIds(): SeenIds {
  // an empty name: SQLite's own temporary database, https://www.sqlite.org/inmemorydb.html#temp_db
  const db = new DatabaseSync('')
  db.exec(
    'PRAGMA cache_size = -8192; PRAGMA journal_mode = OFF; CREATE TABLE ids (id TEXT PRIMARY KEY) WITHOUT ROWID',
  )
  const insert = db.prepare(
    'INSERT INTO ids SELECT value FROM json_each(?) WHERE TRUE ON CONFLICT DO NOTHING',
  )
  const find = db.prepare('SELECT 1 FROM ids WHERE id = ?')
  const count = db.prepare('SELECT count(*) AS n FROM ids')
  return {
    add: (ids) => void insert.run(JSON.stringify(ids)),
    has: (id) => find.get(id) !== undefined,
    size: () => numberIn(count.get() ?? {}, 'n'),
    close: () => db.close(),
  }
}
