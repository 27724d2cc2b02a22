import type { ByteString } from './names.js'
import { pathText } from './names.js'
import type { SkipReason } from './decide-entry.js'

/** What a run has done so far; plain data, since it travels in the checkpoint. */
export interface Tally {
  scanned: number
  matched: number
  deleted: number
  directories_deleted: number
  bytes_freed: number
  skipped: Record<string, number>
  errors: { path: string; code: string }[]
  error_count: number
  /** The first of what was deleted. */
  files: { path: string; bytes: number }[]
}

const MAX_ERRORS = 100
const MAX_PATH = 512

export function newTally(): Tally {
  return {
    scanned: 0,
    matched: 0,
    deleted: 0,
    directories_deleted: 0,
    bytes_freed: 0,
    skipped: {},
    errors: [],
    error_count: 0,
    files: [],
  }
}

export function countSkipped(tally: Tally, reason: SkipReason): void {
  tally.skipped[reason] = (tally.skipped[reason] ?? 0) + 1
}

export function countError(tally: Tally, parts: readonly ByteString[], code: string): void {
  tally.error_count += 1
  if (tally.errors.length < MAX_ERRORS) tally.errors.push({ path: pathText(parts).slice(0, MAX_PATH), code })
}

export function countDeleted(tally: Tally, file: { path: string; bytes: number }, listed: number): void {
  tally.deleted += 1
  tally.bytes_freed += file.bytes
  if (tally.files.length < listed) tally.files.push({ path: file.path.slice(0, MAX_PATH), bytes: file.bytes })
}
