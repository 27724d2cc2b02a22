import type { QueueCounts } from '../queue.js'
import type { Task, TaskStatus } from '../task.js'
import { asArray, prepareArrays, type StoreBase } from './base.js'
import { createLister } from './list.js'
import { FROM_TASKS, readTask, TASK_COLUMNS } from './task-row.js'

/** Reading. Runs outside a transaction; each answer is of one moment. */
export function createReader(base: StoreBase) {
  const { db } = base
  const one = prepareArrays(db, `SELECT ${TASK_COLUMNS} ${FROM_TASKS} WHERE t.id = ?`)
  const counted = db.prepare(`SELECT type, version, status, n FROM counts WHERE n > 0`)
  // priorities make the order of claims differ from that of readiness; the oldest is looked for among those near the head
  const oldest = db.prepare(
    `SELECT min(ready_at) AS at FROM (SELECT ready_at FROM tasks INDEXED BY tasks_ready
      WHERE type = ? AND version = ? AND status = 'queued' AND suspect = 0 ORDER BY rank, seq LIMIT 1000)`,
  )
  const paused = db.prepare('SELECT type FROM paused ORDER BY type')
  const suspects = db.prepare(
    `SELECT count(*) AS n FROM tasks INDEXED BY tasks_suspect WHERE status = 'queued' AND suspect = 1`,
  )

  return {
    get(id: string): Task | null {
      const row = one.get(id)
      return row === undefined ? null : readTask(asArray(row))
    },
    ...createLister(base),
    counts(): QueueCounts {
      const rows = counted.all() as { type: string; version: number; status: TaskStatus; n: number }[]
      const byType = new Map<string, Partial<Record<TaskStatus, number>>>()
      for (const { type, status, n } of rows) {
        const ofType = byType.get(type) ?? {}
        byType.set(type, { ...ofType, [status]: (ofType[status] ?? 0) + n })
      }
      const stopped = paused.all().map((row) => String(row['type']))
      const queued = rows.filter((row) => row.status === 'queued' && !stopped.includes(row.type))
      const ages = queued
        .map((row) => oldest.get(row.type, row.version)?.['at'])
        .filter((at) => typeof at === 'number')
      return {
        byType: Object.fromEntries(byType),
        waiting: waitingOf(rows),
        oldestReadyAt: ages.length === 0 ? null : Math.min(...ages),
        paused: stopped,
        suspects: Number(suspects.get()?.['n']),
      }
    },
  }
}

function waitingOf(rows: readonly { type: string; version: number; status: TaskStatus; n: number }[]) {
  const waiting = new Map<string, { type: string; version: number; count: number }>()
  for (const { type, version, status, n } of rows) {
    if (status !== 'scheduled' && status !== 'queued' && status !== 'retrying') continue
    const key = `${version} ${type}`
    waiting.set(key, { type, version, count: (waiting.get(key)?.count ?? 0) + n })
  }
  return [...waiting.values()]
}
