import { facetConditions } from '../facets.js'
import type { Filter } from '../payload.js'
import type { RemoveTarget } from '../store.js'
import { toText } from './encoding.js'

/** A condition on `documents d`; its parameters are numbered from `first`. */
export interface Condition {
  readonly sql: string
  readonly values: readonly unknown[]
}

export function filterCondition(filter: Filter, first: number): Condition {
  const values: unknown[] = []
  const parameter = (value: readonly string[]): string => `$${first - 1 + values.push(value)}::text[]`
  const parts = facetConditions(filter).map(({ anyOf, orWithout }) => {
    const has = anyOf.length === 0 ? 'FALSE' : `d.facets && ${parameter(anyOf)}`
    return orWithout === null ? has : `(${has} OR NOT d.facets && ${parameter([orWithout])})`
  })
  return { sql: parts.join(' AND ') || 'TRUE', values }
}

export function targetCondition(which: RemoveTarget['which'], first: number): Condition {
  if ('ids' in which) return both(oneOf('d.id', which.ids, first), which.sourceIds, first + 1)
  if ('sourceIds' in which) return oneOf('d.source_id', which.sourceIds, first)
  if ('filter' in which) return filterCondition(which.filter, first)
  return { sql: 'TRUE', values: [] }
}

function both(ids: Condition, sourceIds: readonly string[] | undefined, first: number): Condition {
  if (sourceIds === undefined) return ids
  const sources = oneOf('d.source_id', sourceIds, first)
  return { sql: `${ids.sql} AND ${sources.sql}`, values: [...ids.values, ...sources.values] }
}

export function oneOf(column: 'd.id' | 'd.source_id', list: readonly string[], first: number): Condition {
  return { sql: `${column} = ANY($${first}::text[])`, values: [list.map(toText)] }
}
