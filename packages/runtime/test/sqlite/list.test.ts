import { DatabaseSync } from 'node:sqlite'
import { expect, onTestFinished, test } from 'vitest'
import type { ListFilter } from '../../src/queue.js'
import { createLister } from '../../src/sqlite/list.js'
import { migrate } from '../../src/sqlite/schema.js'
import { isFinal, TASK_STATUSES, type TaskStatus } from '../../src/task.js'

interface Row {
  readonly id: string
  readonly type: string
  readonly status: TaskStatus
}

/** A store of these tasks, the oldest first. */
function storeOf(rows: readonly Row[]) {
  const db = new DatabaseSync(':memory:')
  onTestFinished(() => db.close())
  migrate(db)
  const task = db.prepare(`INSERT INTO tasks
    (id, type, status, finished_at, version, rank, ready_at, priority, run_at, max_attempts, created_at)
    VALUES (?, ?, ?, ?, 1, 0, 0, 0, 0, 3, 0)`)
  const body = db.prepare(`INSERT INTO bodies VALUES (?, '{}', '')`)
  const count = db.prepare(`INSERT INTO counts VALUES (?, 1, ?, 1)
    ON CONFLICT DO UPDATE SET n = n + 1`)
  db.exec('BEGIN')
  for (const { id, type, status } of rows) {
    body.run(task.run(id, type, status, isFinal(status) ? 1 : null).lastInsertRowid)
    count.run(type, status)
  }
  db.exec('COMMIT')
  return createLister({ db })
}

function allPages(lister: ReturnType<typeof createLister>, filter: Omit<ListFilter, 'cursor'>): string[] {
  const ids: string[] = []
  let cursor: string | null = null
  do {
    const page = lister.list({ ...filter, ...(cursor === null ? {} : { cursor }) })
    ids.push(...page.tasks.map(({ id }) => id))
    cursor = page.cursor
  } while (cursor !== null)
  return ids
}

const TYPES = ['even', 'odd']

/** Every status and type, and each in an order of its own. */
function mixed(count: number): Row[] {
  return Array.from({ length: count }, (_, i) => {
    const status = TASK_STATUSES[(i * i + (i >> 3)) % TASK_STATUSES.length] ?? 'queued'
    return { id: `t${i}`, type: TYPES[(i >> 1) % 2] ?? '', status }
  })
}

test('pages of each status and type hold exactly those tasks, the newest first', () => {
  const rows = mixed(500)
  expect(new Set(rows.map(({ status, type }) => `${status} ${type}`)).size).toBe(TASK_STATUSES.length * 2)
  const lister = storeOf(rows)
  for (const status of [undefined, ...TASK_STATUSES]) {
    for (const type of [undefined, ...TYPES, 'never']) {
      const wanted = rows.filter(
        (row) => (status ?? row.status) === row.status && (type ?? row.type) === row.type,
      )
      const filter = { limit: 7, ...(status && { status }), ...(type && { type }) }
      expect(allPages(lister, filter), `${status} ${type}`).toEqual(wanted.map(({ id }) => id).toReversed())
    }
  }
})

test('of many tasks the pages are the same as of few', () => {
  const rows = mixed(500)
  const many = Array.from({ length: 10_001 }, (_, i) => ({
    id: `f${i}`,
    type: 'even',
    status: 'failed' as const,
  }))
  const lister = storeOf([...many.slice(0, 5000), ...rows, ...many.slice(5000)])
  const failed = rows.filter(({ status }) => status === 'failed')
  const odd = failed.filter(({ type }) => type === 'odd').map(({ id }) => id)
  expect(allPages(lister, { limit: 1000, status: 'failed', type: 'odd' })).toEqual(odd.toReversed())
  const pages = allPages(lister, { limit: 1000, status: 'failed' })
  expect(pages).toHaveLength(many.length + failed.length)
  expect(pages.filter((id) => id.startsWith('t'))).toEqual(failed.map(({ id }) => id).toReversed())
})

test('the only task of a status is listed', () => {
  const lister = storeOf([
    ...mixed(20).map((row) => ({ ...row, status: 'queued' as const })),
    { id: 'one', type: 'even', status: 'failed' },
  ])
  expect(allPages(lister, { limit: 10, status: 'failed' })).toEqual(['one'])
  expect(allPages(lister, { limit: 10, status: 'failed', type: 'odd' })).toEqual([])
})

test('a cursor that no page gave is refused, also where there is nothing to list', () => {
  const lister = storeOf([])
  for (const cursor of ['', '7', 's-1', 's1.5', 'sx'])
    expect(() => lister.list({ limit: 10, cursor }), cursor).toThrow(
      expect.objectContaining({ code: 'bad_cursor' }) as Error,
    )
})
