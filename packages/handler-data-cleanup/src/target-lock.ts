import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout } from 'node:timers/promises'

/** https://www.sqlite.org/rescode.html: BUSY, LOCKED */
const TAKEN = new Set([5, 6])

/**
 * One run per target among all workers that share the data directory. Null: another one has it.
 *
 * The lock is SQLite's, on a file that holds nothing: the kernel frees it when the process ends, however it ends; the runtime when the thread does.
 * `waitMs`: how long to try, for a delivery whose predecessor may still be on its way out.
 */
export async function lockTarget(
  folder: string,
  target: string,
  { waitMs, signal }: { readonly waitMs: number; readonly signal: AbortSignal },
): Promise<(() => void) | null> {
  await mkdir(folder, { recursive: true })
  const path = join(folder, `${target}.lock`)
  const giveUpAt = performance.now() + waitMs
  for (;;) {
    const release = tryLock(path)
    if (release !== null || performance.now() >= giveUpAt) return release
    await setTimeout(20, undefined, { signal })
  }
}

function tryLock(path: string): (() => void) | null {
  const db = new DatabaseSync(path, { timeout: 0 })
  try {
    db.exec('BEGIN EXCLUSIVE')
  } catch (error) {
    db.close()
    if (isTaken(error)) return null
    throw error
  }
  // the open transaction ends with the connection
  return () => db.close()
}

function isTaken(error: unknown): boolean {
  if (typeof error !== 'object' || error === null || !('errcode' in error)) return false
  return typeof error.errcode === 'number' && TAKEN.has(error.errcode & 0xff)
}
