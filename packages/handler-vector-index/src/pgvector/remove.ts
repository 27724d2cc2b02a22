import type { Mark, RemoveAnswer, RemoveTarget } from '../store.js'
import { addCounts, dropContents, findCollection, putMark } from './collection.js'
import { targetCondition } from './condition.js'
import type { Sql } from './connection.js'
import { chunkTable } from './schema.js'
import { dropCopies } from './write.js'

/** The body of the transaction that deletes at most `limit` documents, with their copies in the generation that is being built. */
export async function removeDocuments(
  sql: Sql,
  target: RemoveTarget,
  limit: number,
  mark: Mark<RemoveAnswer> | undefined,
): Promise<RemoveAnswer> {
  const collection = await findCollection(sql, target.collection, 'SHARE')
  if (collection === null) return putMark(sql, mark, { documents: 0, chunks: 0 })
  const keys = await lockTargets(sql, collection.key, target, limit)
  const held = await dropContents(sql, collection.current.key, chunkTable(collection.current.key), keys)
  if (collection.building !== null) await dropCopies(sql, collection.building.key, keys)
  const documents = await sql.run('DELETE FROM documents WHERE key = ANY($1::bigint[])', [keys])
  if (documents > 0) {
    await addCounts(sql, collection.current.key, { documents: -held.documents, chunks: -held.chunks })
  }
  return putMark(sql, mark, { documents, chunks: held.chunks })
}

/** Fewer than `limit` only where there are no more: a select that waited for another transaction leaves out what that one deleted. */
async function lockTargets(
  sql: Sql,
  collection: number,
  { which }: RemoveTarget,
  limit: number,
): Promise<readonly number[]> {
  const { sql: condition, values } = targetCondition(which, 4)
  const keys: number[] = []
  while (keys.length < limit) {
    const rows = await sql.rows<{ key: number }>(
      `SELECT d.key FROM documents d WHERE d.collection = $1 AND d.key <> ALL($2::bigint[]) AND ${condition}
       ORDER BY d.id LIMIT $3 FOR UPDATE`,
      [collection, keys, limit - keys.length, ...values],
    )
    if (rows.length === 0) break
    keys.push(...rows.map(({ key }) => key))
  }
  return keys
}

export async function countTargets(sql: Sql, { collection, which }: RemoveTarget): Promise<number> {
  const { sql: condition, values } = targetCondition(which, 2)
  const [row] = await sql.rows<{ n: number }>(
    `SELECT count(*) AS n FROM collections c JOIN documents d ON d.collection = c.key
     WHERE c.name = $1 AND c.live AND ${condition}`,
    [collection, ...values],
  )
  return row?.n ?? 0
}
