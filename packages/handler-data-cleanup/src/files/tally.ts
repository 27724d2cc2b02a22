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
/** As JSON. Checkpoint and result may take 256 KiB each, whatever the names are. */
const MAX_FILES_BYTES = 96 * 1024
const MAX_ERRORS_BYTES = 48 * 1024

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
  if (tally.errors.length >= MAX_ERRORS) return
  list(tally.errors, { path: pathText(parts).slice(0, MAX_PATH), code }, MAX_ERRORS_BYTES)
}

export function countDeleted(tally: Tally, file: { path: string; bytes: number }, listed: number): void {
  tally.deleted += 1
  tally.bytes_freed += file.bytes
  if (tally.files.length >= listed) return
  list(tally.files, { path: file.path.slice(0, MAX_PATH), bytes: file.bytes }, MAX_FILES_BYTES)
}

/** Bytes of a list so far; Infinity once an entry was left out, since it names the first ones. */
const sizes = new WeakMap<object, number>()

function list<T>(entries: T[], entry: T, maxBytes: number): void {
  const size = (sizes.get(entries) ?? jsonBytes(entries)) + jsonBytes(entry) + 1
  if (size <= maxBytes) entries.push(entry)
  sizes.set(entries, size <= maxBytes ? size : Infinity)
}

function jsonBytes(value: unknown): number {
  return Buffer.byteLength(JSON.stringify(value))
}
