import { fault } from './fault.js'
import { type Position, isPosition } from './files/position.js'

/** A cursor belongs to one target, and to runs that delete or runs that do not: a list is not a deletion that happened. */
export interface CursorScope {
  readonly target: string
  readonly dryRun: boolean
}

export function encodeCursor(position: Position, { target, dryRun }: CursorScope): string {
  const levels = position.map(({ name, after, kept }) => [name, after, kept])
  return Buffer.from(JSON.stringify([1, target, dryRun ? 1 : 0, levels])).toString('base64url')
}

/** Throws `BAD_CURSOR`. */
export function decodeCursor(cursor: string, { target, dryRun }: CursorScope): Position {
  const value = parsed(cursor)
  if (Array.isArray(value) && value[0] === 1 && value[1] === target && value[2] === (dryRun ? 1 : 0)) {
    const levels: unknown = value[3]
    const position: unknown = Array.isArray(levels)
      ? levels.map((level: unknown) =>
          Array.isArray(level) ? { name: level[0], after: level[1], kept: level[2] } : null,
        )
      : null
    if (isPosition(position)) return position
  }
  throw fault('BAD_CURSOR', `the cursor does not belong to target ${target} with dry_run ${String(dryRun)}`)
}

function parsed(cursor: string): unknown {
  try {
    return JSON.parse(Buffer.from(cursor, 'base64url').toString())
  } catch {
    return null
  }
}
