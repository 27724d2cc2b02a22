import type { DatabaseSync } from 'node:sqlite'
import { load } from 'sqlite-vec'
import { versionOf } from '../queue/version.ts'
import type { VectorEngine } from './engine.ts'
import { blobOf, countRows, inTransaction, openSqliteFile } from './sqlite-file.ts'
import { DIMENSION } from './vectors.ts'

/** A `vec0` virtual table. It knows no upsert: new rows are inserted, rows that are there are updated. */
export function sqliteVecEngine(): VectorEngine {
  let db: DatabaseSync
  return {
    version: versionOf('sqlite-vec'),
    async open(folder) {
      db = openSqliteFile(folder)
      load(db)
      db.exec(
        `CREATE VIRTUAL TABLE vectors USING vec0(id TEXT PRIMARY KEY, vector float[${DIMENSION}] distance_metric=cosine)`,
      )
    },
    async insert({ ids, vectors }) {
      const statement = db.prepare('INSERT INTO vectors (id, vector) VALUES (?, ?)')
      inTransaction(db, () => ids.forEach((id, row) => statement.run(id, blobOf(vectors, row, DIMENSION))))
    },
    async replace({ ids, vectors }) {
      const statement = db.prepare('UPDATE vectors SET vector = ? WHERE id = ?')
      inTransaction(db, () => ids.forEach((id, row) => statement.run(blobOf(vectors, row, DIMENSION), id)))
    },
    async search(vector, k) {
      const statement = db.prepare('SELECT id FROM vectors WHERE vector MATCH ? AND k = ? ORDER BY distance')
      return statement.all(blobOf(vector, 0, DIMENSION), k).map(({ id }) => String(id))
    },
    count: async () => countRows(db),
    close: async () => db.close(),
  }
}
