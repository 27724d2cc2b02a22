import { type ByteString, isPlainName } from './names.js'

/**
 * Where a walk stands: for each folder on the way down its name (none for the root), and the last entry that was dealt with and is still there.
 * In that folder's order everything up to `after` is done, and of the rest what is gone is done too. Names are only ever compared with names that an
 * enumeration answers: a forged position skips files, it never reaches one.
 */
export interface Level {
  readonly name: ByteString
  after: ByteString | null
  /** Something in this folder stays, so it will not be empty. */
  kept: boolean
}

export type Position = readonly Readonly<Level>[]

export function isPosition(value: unknown): value is Position {
  if (!Array.isArray(value) || value.length === 0 || value.length > 201) return false
  return value.every((level: unknown, depth) => {
    if (typeof level !== 'object' || level === null) return false
    if (!('name' in level && 'after' in level && 'kept' in level)) return false
    const named = depth === 0 ? level.name === '' : isPlainName(level.name)
    return named && typeof level.kept === 'boolean' && (level.after === null || isPlainName(level.after))
  })
}

export function copyOf(position: Position): Position {
  return position.map(({ name, after, kept }) => ({ name, after, kept }))
}
