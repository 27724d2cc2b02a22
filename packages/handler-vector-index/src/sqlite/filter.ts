import type { SQLInputValue } from 'node:sqlite'
import type { Filter } from '../payload.js'

/** A condition on `documents d`, with its parameters in order. */
export interface Condition {
  readonly sql: string
  readonly values: readonly SQLInputValue[]
}

type Scalar = string | number | boolean | null

/** All keys must match. Types are kept apart: 1, "1" and true are three values. Keys and values are always parameters. */
export function filterCondition(filter: Filter): Condition {
  const conditions = Object.entries(filter).map(([key, wanted]) => {
    const scalars = typeof wanted === 'object' && wanted !== null ? wanted.in : [wanted]
    return anyOf(scalars.map((scalar) => equals(key, scalar)))
  })
  return {
    sql: conditions.map(({ sql }) => sql).join(' AND ') || 'TRUE',
    values: conditions.flatMap(({ values }) => values),
  }
}

function anyOf(conditions: readonly Condition[]): Condition {
  return {
    sql: `(${conditions.map(({ sql }) => sql).join(' OR ')})`,
    values: conditions.flatMap(({ values }) => values),
  }
}

function equals(key: string, wanted: Scalar): Condition {
  if (wanted === null) return { sql: `NOT ${each("e.type <> 'null'")}`, values: [key] }
  if (typeof wanted === 'boolean') return { sql: each('e.type = ?'), values: [key, String(wanted)] }
  if (typeof wanted === 'number') {
    return { sql: each("e.type IN ('integer', 'real') AND e.value = ?"), values: [key, wanted] }
  }
  return { sql: each("e.type = 'text' AND e.value = ?"), values: [key, wanted] }
}

/** json_each and not a path: any key works, whatever it is spelt with. */
function each(test: string): string {
  return `EXISTS (SELECT 1 FROM json_each(d.metadata) e WHERE e.key = ? AND ${test})`
}
