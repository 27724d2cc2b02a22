import type { Stats } from 'node:fs'
import type { ByteString } from './names.js'

export type EntryKind = 'file' | 'directory' | 'link' | 'fifo' | 'socket' | 'device'

/** What is known of an entry without opening it; links are not followed. Times in milliseconds since the epoch. */
export interface Look {
  readonly kind: EntryKind
  readonly device: number
  readonly inode: number
  readonly links: number
  readonly size: number
  /** Allocated blocks in bytes. */
  readonly bytes: number
  readonly mtimeMs: number
  readonly ctimeMs: number
  readonly atimeMs: number
  /** 0 where the file system has none. */
  readonly birthMs: number
}

/**
 * One folder below a root, and the only way to touch what is in it: by a name in this folder, never by a path. All methods reject with what the
 * system says (`code`: ENOENT, EACCES, …).
 */
export interface Folder {
  /** Below the root; empty for the root itself. */
  readonly parts: readonly ByteString[]
  readonly safety: 'pinned' | 'reduced'
  /** In the order of the folder, read as they are needed. */
  names(): AsyncIterable<ByteString>
  /** Null: there is no such entry. */
  look(name: ByteString): Promise<Look | null>
  /** The same at once: for the last look before a removal. */
  lookNow(name: ByteString): Look | null
  self(): Promise<Look>
  /** Still reached by the path that led here: nobody has moved it away. */
  inPlace(): boolean
  /** A folder in this one. ELOOP or ENOTDIR where it is a link or no folder. */
  enter(name: ByteString): Promise<Folder>
  unlink(name: ByteString): Promise<void>
  rmdir(name: ByteString): Promise<void>
  readLink(name: ByteString): Promise<string>
  /** Of a regular file, its first bytes. */
  readText(name: ByteString, maxBytes: number): Promise<string>
  close(): Promise<void>
}

export function lookOf(stats: Stats): Look {
  return {
    kind: kindOf(stats),
    device: stats.dev,
    inode: stats.ino,
    links: stats.nlink,
    size: stats.size,
    bytes: (stats.blocks ?? 0) * 512,
    mtimeMs: stats.mtimeMs,
    ctimeMs: stats.ctimeMs,
    atimeMs: stats.atimeMs,
    birthMs: stats.birthtimeMs,
  }
}

function kindOf(stats: Stats): EntryKind {
  if (stats.isFile()) return 'file'
  if (stats.isDirectory()) return 'directory'
  if (stats.isSymbolicLink()) return 'link'
  if (stats.isFIFO()) return 'fifo'
  return stats.isSocket() ? 'socket' : 'device'
}

/** The entry is still the one that was looked at, unchanged. Of a file with several names ctime is left out: each removal of one changes it. */
export function isSame(now: Look, before: Look): boolean {
  return (
    now.inode === before.inode &&
    now.device === before.device &&
    now.kind === before.kind &&
    now.size === before.size &&
    now.mtimeMs === before.mtimeMs &&
    (before.links > 1 || now.ctimeMs === before.ctimeMs)
  )
}

export function systemCode(error: unknown): string {
  if (typeof error !== 'object' || error === null || !('code' in error)) return 'UNKNOWN'
  return String(error.code)
}
