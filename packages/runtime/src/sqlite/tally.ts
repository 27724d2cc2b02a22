import type { DatabaseSync } from 'node:sqlite'
import type { TaskStatus } from '../task.js'

/**
 * The number of tasks by type, version and status, kept exact: changes are collected while a transaction runs and written
 * once before its commit, a few rows whatever the number of tasks.
 */
export interface Tally {
  move(type: string, version: number, from: TaskStatus | null, to: TaskStatus | null): void
  /** Writes the collected changes; call before COMMIT. */
  flush(): void
  /** Forgets them; call after ROLLBACK. */
  forget(): void
  /** The changes so far, to come back to with a savepoint. */
  mark(): TallyMark
  backTo(mark: TallyMark): void
  /** Tasks in waiting statuses, the collected changes included. */
  waiting(): number
}

export type TallyMark = ReadonlyMap<string, number>

export function createTally(db: DatabaseSync): Tally {
  let changes = new Map<string, number>()
  const write = db.prepare(
    `INSERT INTO counts (type, version, status, n) VALUES (?, ?, ?, ?)
     ON CONFLICT (type, version, status) DO UPDATE SET n = n + excluded.n`,
  )
  const stored = db.prepare(
    `SELECT coalesce(sum(n), 0) AS n FROM counts WHERE status IN ('scheduled', 'queued', 'retrying')`,
  )
  const add = (type: string, version: number, status: TaskStatus, by: number) => {
    const key = `${status} ${version} ${type}`
    changes.set(key, (changes.get(key) ?? 0) + by)
  }
  return {
    move(type, version, from, to) {
      if (from) add(type, version, from, -1)
      if (to) add(type, version, to, 1)
    },
    flush() {
      for (const [key, by] of changes) {
        if (by === 0) continue
        const [status, version, type] = split(key)
        write.run(type, version, status, by)
      }
      changes = new Map()
    },
    forget: () => void (changes = new Map()),
    mark: () => new Map(changes),
    backTo: (mark) => void (changes = new Map(mark)),
    waiting() {
      let n = Number(stored.get()?.['n'])
      for (const [key, by] of changes) {
        const status = split(key)[0]
        if (status === 'scheduled' || status === 'queued' || status === 'retrying') n += by
      }
      return n
    },
  }
}

function split(key: string): [status: string, version: number, type: string] {
  const first = key.indexOf(' ')
  const second = key.indexOf(' ', first + 1)
  return [key.slice(0, first), Number(key.slice(first + 1, second)), key.slice(second + 1)]
}
