import type { DatabaseSync, SQLInputValue } from 'node:sqlite'

/** The column `key` of a query as one JSON text: a tenth of the time of a row object each. */
export function readKeys(db: DatabaseSync, sql: string, values: readonly SQLInputValue[]): readonly number[] {
  const row = db.prepare(`SELECT json_group_array(key) AS keys FROM (${sql})`).get(...values)
  return JSON.parse(row?.['keys'] as string) as number[]
}
