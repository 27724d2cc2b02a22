import type { DatabaseSync } from 'node:sqlite'
import type { Batch, VectorEngine } from './engine.ts'
import { blobOf, countRows, inTransaction, openSqliteFile, sqliteVersion } from './sqlite-file.ts'
import { DIMENSION } from './vectors.ts'

/** The limit: two columns, and nothing around them. */
export function sqliteRowsEngine(): VectorEngine {
  let db: DatabaseSync
  const upsert = async ({ ids, vectors }: Batch) => {
    const statement = db.prepare(
      'INSERT INTO vectors VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET vector = excluded.vector',
    )
    inTransaction(db, () => ids.forEach((id, row) => statement.run(id, blobOf(vectors, row, DIMENSION))))
  }
  return {
    get version() {
      return sqliteVersion(db)
    },
    async open(folder) {
      db = openSqliteFile(folder)
      db.exec('CREATE TABLE vectors (id TEXT PRIMARY KEY, vector BLOB NOT NULL) STRICT')
    },
    insert: upsert,
    replace: upsert,
    count: async () => countRows(db),
    close: async () => db.close(),
  }
}
