import type { DatabaseSync } from 'node:sqlite'
import { type Condition, filterCondition } from './filter.js'
import type { RemoveAnswer, RemoveTarget } from '../store.js'

/** The bodies of the transactions that delete documents and count what would be deleted. */
export function createSqliteRemove(db: DatabaseSync) {
  const dropChunks = db.prepare('DELETE FROM chunks WHERE collection = ? AND document = ?')
  const dropDocument = db.prepare('DELETE FROM documents WHERE key = ?')
  const count = db.prepare(
    `UPDATE collections SET documents = documents - ?, chunks = chunks - ?, removals = removals + ?,
     revision = revision + ? WHERE key = ?`,
  )
  return {
    remove({ collection, which }: RemoveTarget, limit: number): RemoveAnswer {
      const { sql, values } = condition(which)
      const doomed = db
        .prepare(`SELECT d.key, d.collection ${FROM} ${sql} LIMIT ?`)
        .all(collection, ...values, limit) as unknown as readonly { key: number; collection: number }[]
      const [first] = doomed
      if (first === undefined) return { documents: 0, chunks: 0 }
      let chunks = 0
      for (const { key } of doomed) {
        chunks += Number(dropChunks.run(first.collection, key).changes)
        dropDocument.run(key)
      }
      count.run(doomed.length, chunks, doomed.length, doomed.length, first.collection)
      return { documents: doomed.length, chunks }
    },
    count({ collection, which }: RemoveTarget): number {
      const { sql, values } = condition(which)
      return Number(db.prepare(`SELECT count(*) AS n ${FROM} ${sql}`).get(collection, ...values)?.['n'])
    },
  }
}

const FROM = 'FROM collections k JOIN documents d ON d.collection = k.key WHERE k.name = ? AND'

function condition(which: RemoveTarget['which']): Condition {
  if ('ids' in which) return oneOf('d.id', which.ids)
  if ('sourceIds' in which) return oneOf('d.source_id', which.sourceIds)
  if ('filter' in which) return filterCondition(which.filter)
  return { sql: 'TRUE', values: [] }
}

function oneOf(column: string, list: readonly string[]): Condition {
  return { sql: `${column} IN (SELECT value FROM json_each(?))`, values: [JSON.stringify(list)] }
}
