import { existsSync, mkdirSync, readdirSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'

/**
 * Who is alive: each owner holds `BEGIN EXCLUSIVE` on a SQLite file of its own, a lock that dies with its process. Others try to
 * take it: busy means alive. (Node has no flock; this is the same POSIX lock.)
 */
export interface OwnerLock {
  release(): void
}

const lockFile = (directory: string, owner: string) => join(directory, `${owner}.db`)

export function holdOwnerLock(directory: string, owner: string): OwnerLock {
  mkdirSync(directory, { recursive: true })
  const file = lockFile(directory, owner)
  const db = new DatabaseSync(file)
  db.exec('BEGIN EXCLUSIVE')
  return {
    release() {
      db.close()
      rmSync(file, { force: true })
    },
  }
}

export function isOwnerAlive(directory: string, owner: string): boolean {
  const file = lockFile(directory, owner)
  if (!existsSync(file)) return false
  const db = new DatabaseSync(file, { timeout: 0 })
  try {
    db.exec('BEGIN IMMEDIATE')
    db.exec('ROLLBACK')
    return false
  } catch {
    return true
  } finally {
    db.close()
  }
}

/** A dead owner's file is removed once nothing of it is in hand any more. */
export function forgetOwner(directory: string, owner: string): void {
  rmSync(lockFile(directory, owner), { force: true })
}

/** An owner makes its file first, and locks it then. */
const STARTED_MS = 3_600_000

/** Removes the files of owners that died with nothing in hand: nobody else ever looks for them. */
export function forgetIdleDead(directory: string): void {
  for (const name of readdirSync(directory)) {
    const owner = /^(.+)\.db$/.exec(name)?.[1]
    const stat = statSync(join(directory, name), { throwIfNoEntry: false })
    if (owner === undefined || stat === undefined || Date.now() - stat.mtimeMs < STARTED_MS) continue
    if (!isOwnerAlive(directory, owner)) forgetOwner(directory, owner)
  }
}
