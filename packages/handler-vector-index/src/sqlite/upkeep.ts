import { stat } from 'node:fs/promises'
import type { DatabaseSync } from 'node:sqlite'
import { numberIn } from './rows.js'
import { pragma } from './schema.js'

/** A build that nobody wrote to for so long is given up: its task was cancelled, or will begin anew. */
const FORSAKEN_AFTER_MS = 86_400_000
/** About 16 MiB: some tens of milliseconds in which other writers wait. */
const PAGES_PER_SLICE = 2_000
/** A document may have thousands of chunks. */
const CHUNKS_PER_DOCUMENT = 4

/** The body of the transaction that removes waste. */
export function createPurge(db: DatabaseSync): (limit: number) => number {
  const forsake = db.prepare(
    `UPDATE generations SET state = 'waste' WHERE state = 'building' AND updated_at < ?`,
  )
  const wasted = db.prepare(`SELECT key FROM generations WHERE state = 'waste' LIMIT 1`)
  const doomed = db.prepare('SELECT key, chunks FROM documents WHERE generation = ? LIMIT ?')
  const dropChunks = db.prepare('DELETE FROM chunks WHERE generation = ? AND document = ?')
  const dropDocument = db.prepare('DELETE FROM documents WHERE key = ?')
  const dropOrphans = db.prepare('DELETE FROM chunks WHERE generation = ?')
  const dropGeneration = db.prepare('DELETE FROM generations WHERE key = ?')

  function purgeGeneration(generation: number, limit: number): number {
    let documents = 0
    let room = limit * CHUNKS_PER_DOCUMENT
    for (const row of doomed.all(generation, limit)) {
      if (room <= 0) break
      dropDocument.run(numberIn(row, 'key'))
      room -= Number(dropChunks.run(generation, numberIn(row, 'key')).changes)
      documents++
    }
    return documents
  }
  return (limit) => {
    forsake.run(Date.now() - FORSAKEN_AFTER_MS)
    for (let row = wasted.get(); row !== undefined; row = wasted.get()) {
      const key = numberIn(row, 'key')
      const documents = purgeGeneration(key, limit)
      if (documents > 0) return documents
      dropOrphans.run(key)
      dropGeneration.run(key)
    }
    return 0
  }
}

/** Gives a slice of free pages at the file's end back; then folds the log into the file, and refreshes the planner's statistics. */
export function optimizeSlice(db: DatabaseSync): { readonly left: number } {
  const free = Number(pragma(db, 'freelist_count'))
  // through exec: through get it would free one page
  if (free > 0) db.exec(`PRAGMA incremental_vacuum(${PAGES_PER_SLICE})`)
  const left = Math.ceil(Number(pragma(db, 'freelist_count')) / PAGES_PER_SLICE)
  if (left === 0) db.exec('PRAGMA optimize; PRAGMA wal_checkpoint(TRUNCATE)')
  return { left }
}

export async function sizeOf(path: string): Promise<number> {
  const sizes = await Promise.all(
    [path, `${path}-wal`].map((file) =>
      stat(file).then(
        ({ size }) => size,
        () => 0,
      ),
    ),
  )
  return sizes.reduce((sum, size) => sum + size, 0)
}
