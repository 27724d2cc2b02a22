import { WorkerError } from '../errors.js'
import type { ListFilter, TaskPage } from '../queue.js'
import type { TaskStatus } from '../task.js'
import { prepareArrays, type StoreBase } from './base.js'
import { charsOfAll, FROM_TASKS, MOST_CHARS, readTask, TASK_COLUMNS, withinOneMessage } from './task-row.js'

/** The index that finds the tasks of a status without walking the others. */
const INDEXED: Readonly<Partial<Record<TaskStatus, string>>> = {
  running: `INDEXED BY tasks_running WHERE status = 'running'`,
  scheduled: `INDEXED BY tasks_due WHERE status IN ('scheduled', 'retrying')`,
  retrying: `INDEXED BY tasks_due WHERE status IN ('scheduled', 'retrying')`,
  succeeded: 'INDEXED BY tasks_final WHERE finished_at IS NOT NULL',
  failed: 'INDEXED BY tasks_final WHERE finished_at IS NOT NULL',
  cancelled: 'INDEXED BY tasks_final WHERE finished_at IS NOT NULL',
}

/** So many are found by their index and sorted in a few milliseconds. Of more, a page is soon full when all tasks are walked, the newest first. */
const FEW = 10_000

/** Pages, the newest first. One of few tasks takes the time of those, however many others there are. */
export function createLister({ db }: Pick<StoreBase, 'db'>) {
  const tally = db.prepare('SELECT type, status, n FROM counts WHERE n > 0')
  const walked = (where: string) =>
    prepareArrays(
      db,
      `SELECT ${TASK_COLUMNS}, t.seq ${FROM_TASKS} WHERE t.seq < ? ${where} ORDER BY t.seq DESC LIMIT ?`,
    )
  const found = (indexed: string, where: string) =>
    prepareArrays(
      db,
      `SELECT ${TASK_COLUMNS}, t.seq ${FROM_TASKS} WHERE t.seq IN
        (SELECT seq FROM tasks ${indexed} AND seq < ? AND status = ? ${where} ORDER BY seq DESC LIMIT ?)
        ORDER BY t.seq DESC`,
    )
  const walks = {
    all: walked(''),
    byStatus: walked('AND t.status = ?'),
    byType: walked('AND t.type = ?'),
    byBoth: walked('AND t.status = ? AND t.type = ?'),
  }
  const finds = new Map(
    Object.entries(INDEXED).map(([status, indexed]) => [
      status,
      { byStatus: found(indexed, ''), byBoth: found(indexed, 'AND type = ?') },
    ]),
  )

  function countOf({ status, type }: ListFilter): number {
    const rows = tally.all() as { type: string; status: TaskStatus; n: number }[]
    const isAsked = (row: (typeof rows)[number]) =>
      (status === undefined || row.status === status) && (type === undefined || row.type === type)
    return rows.filter(isAsked).reduce((sum, { n }) => sum + n, 0)
  }

  function rowsOf(filter: ListFilter): Iterable<unknown> {
    const { status, type, limit, cursor } = filter
    const before = cursor === undefined ? Number.MAX_SAFE_INTEGER : parseCursor(cursor)
    const count = countOf(filter)
    if (count === 0) return []
    if (!status) return type ? walks.byType.iterate(before, type, limit) : walks.all.iterate(before, limit)
    const { byStatus, byBoth } = (count <= FEW && finds.get(status)) || walks
    return type ? byBoth.iterate(before, status, type, limit) : byStatus.iterate(before, status, limit)
  }

  return {
    list(filter: ListFilter): TaskPage {
      const rows = withinOneMessage(rowsOf(filter))
      const last = rows.at(-1)
      const isLastPage = rows.length < filter.limit && charsOfAll(rows) < MOST_CHARS
      return { tasks: rows.map(readTask), cursor: isLastPage ? null : `s${String(last?.at(-1))}` }
    },
  }
}

function parseCursor(cursor: string): number {
  if (!/^s\d{1,15}$/.test(cursor))
    throw new WorkerError('bad_cursor', 'the cursor is not one that a page gave')
  return Number(cursor.slice(1))
}
