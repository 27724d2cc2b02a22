import type { DatabaseSync } from 'node:sqlite'
import type { RemoveAnswer, RemoveTarget } from '../store.js'
import type { DocumentRows } from './document-rows.js'
import { type Condition, filterCondition } from './filter.js'
import { createCounts, type Generations } from './generations.js'
import { numberIn, textIn } from './rows.js'

interface Tables {
  readonly generations: Generations
  readonly rows: DocumentRows
}

/** The bodies of the transactions that delete documents and collections, and count what would be deleted. */
export function createRemove(db: DatabaseSync, { generations, rows }: Tables) {
  return {
    remove({ collection, which }: RemoveTarget, limit: number): RemoveAnswer {
      const generation = generations.current(collection)
      if (generation === null) return { documents: 0, chunks: 0 }
      const { sql, values } = condition(which)
      const doomed = db
        .prepare(`SELECT d.key, d.id FROM documents d WHERE d.generation = ? AND ${sql} LIMIT ?`)
        .all(generation.key, ...values, limit)
      if (doomed.length === 0) return { documents: 0, chunks: 0 }
      const building = generations.building(collection)
      const counts = createCounts()
      const lost = createCounts()
      for (const row of doomed) {
        rows.drop(generation.key, numberIn(row, 'key'), counts)
        if (building !== null) rows.dropById(building.key, textIn(row, 'id'), lost)
      }
      generations.count(generation.key, counts)
      if (building !== null) generations.count(building.key, lost)
      generations.takeRevisions(generation.collection, doomed.length)
      return { documents: -counts.documents, chunks: -counts.chunks }
    },
    count({ collection, which }: RemoveTarget): number {
      const generation = generations.current(collection)
      if (generation === null) return 0
      const { sql, values } = condition(which)
      const counted = db.prepare(`SELECT count(*) AS n FROM documents d WHERE d.generation = ? AND ${sql}`)
      return numberIn(counted.get(generation.key, ...values) ?? {}, 'n')
    },
    drop(collection: string): RemoveAnswer {
      const building = generations.building(collection)
      const current = generations.current(collection)
      if (building !== null) generations.setState(building.key, 'waste')
      if (current !== null) generations.setState(current.key, 'waste')
      return { documents: current?.documents ?? 0, chunks: current?.chunks ?? 0 }
    },
  }
}

function condition(which: RemoveTarget['which']): Condition {
  if ('ids' in which) return both(oneOf('d.id', which.ids), which.sourceIds)
  if ('sourceIds' in which) return oneOf('d.source_id', which.sourceIds)
  if ('filter' in which) return filterCondition(which.filter)
  return { sql: 'TRUE', values: [] }
}

function both(ids: Condition, sourceIds: readonly string[] | undefined): Condition {
  if (sourceIds === undefined) return ids
  const sources = oneOf('d.source_id', sourceIds)
  return { sql: `${ids.sql} AND ${sources.sql}`, values: [...ids.values, ...sources.values] }
}

/** `column` is ours, the list is a parameter. */
export function oneOf(column: string, list: readonly string[]): Condition {
  return { sql: `${column} IN (SELECT value FROM json_each(?))`, values: [JSON.stringify(list)] }
}
