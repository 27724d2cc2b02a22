import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'

/** With the settings of our own store, so that what differs is the tables. */
export function openSqliteFile(folder: string): DatabaseSync {
  const db = new DatabaseSync(join(folder, 'vectors.db'), { allowExtension: true })
  db.exec(
    'PRAGMA page_size = 8192; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -16384',
  )
  return db
}

export function inTransaction(db: DatabaseSync, body: () => void): void {
  db.exec('BEGIN IMMEDIATE')
  body()
  db.exec('COMMIT')
}

export function sqliteVersion(db: DatabaseSync): string {
  return String(db.prepare('SELECT sqlite_version() AS version').get()?.['version'])
}

/** The BLOB form of row `row`: float32, little-endian. */
export function blobOf(vectors: Float32Array, row: number, dimension: number): Uint8Array {
  return new Uint8Array(vectors.buffer, vectors.byteOffset + row * dimension * 4, dimension * 4)
}

export function countRows(db: DatabaseSync): number {
  return Number(db.prepare('SELECT count(*) AS count FROM vectors').get()?.['count'])
}
