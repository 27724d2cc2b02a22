import type { DatabaseSync, SQLInputValue, SQLOutputValue } from 'node:sqlite'
import { NonRetryableError } from '@mcp-worker/runtime'

export type Row = Readonly<Record<string, SQLOutputValue>>

/** Columns are checked as they are read: the file may be damaged, or written by a program that we do not know. */
export function numberIn(row: Row, column: string): number {
  const value = row[column]
  return typeof value === 'number' ? value : refuse(column, 'a number', value)
}

export function textIn(row: Row, column: string): string {
  const value = row[column]
  return typeof value === 'string' ? value : refuse(column, 'a text', value)
}

export function bytesIn(row: Row, column: string): Uint8Array {
  const value = row[column]
  return value instanceof Uint8Array ? value : refuse(column, 'bytes', value)
}

export function textOrNullIn(row: Row, column: string): string | null {
  return row[column] === null ? null : textIn(row, column)
}

export function numberOrNullIn(row: Row, column: string): number | null {
  return row[column] === null ? null : numberIn(row, column)
}

function refuse(column: string, expected: string, value: SQLOutputValue | undefined): never {
  const came = value === null ? 'null' : value instanceof Uint8Array ? 'bytes' : typeof value
  throw new NonRetryableError(
    `the vector store is damaged: expected ${expected} in the column "${column}", got ${came}; restore it, or index again`,
    { code: 'STORE_CORRUPT' },
  )
}

/** The column `key` of a query as one JSON text: a tenth of the time of a row object each. */
export function readKeys(db: DatabaseSync, sql: string, values: readonly SQLInputValue[]): readonly number[] {
  const row = db.prepare(`SELECT json_group_array(key) AS keys FROM (${sql})`).get(...values) ?? {}
  return JSON.parse(textIn(row, 'keys')) as number[]
}
