import type { SubmitAnswer, SubmittedTask } from '../queue.js'
import type { NewTask } from '../task.js'
import { sameness } from './keys.js'
import { acceptedRow, type Row } from './row.js'
import type { MemoryStore, Owner } from './store.js'

/** Accepts tasks, all or none: what was stored before the first refusal is taken out again. */
export function accept(store: MemoryStore, owner: Owner, tasks: readonly NewTask[]): readonly SubmitAnswer[] {
  const now = owner.clock.wall()
  const stored: { readonly row: Row; readonly task: NewTask }[] = []
  const answers = tasks.map((task): SubmitAnswer => {
    const refused = known(store, task, now) ?? full(store, owner)
    if (refused) return refused
    const row = acceptedRow(task, store.nextSeq(), now)
    store.insert(row)
    if (task.idempotency) store.keys.keep(task, now, owner.limits.idempotencyTtlMs)
    stored.push({ row, task })
    return { kind: 'accepted', task: submitted(row) }
  })
  if (!answers.some(isRefusal)) {
    if (stored.some(({ row }) => row.status === 'queued')) store.tell({ ready: true })
    return answers
  }
  for (const { row, task } of stored) {
    store.remove(row)
    if (task.idempotency) store.keys.drop(task)
  }
  return answers.map((answer) => (isRefusal(answer) ? answer : { kind: 'not_submitted' }))
}

function isRefusal({ kind }: SubmitAnswer): boolean {
  return kind === 'conflict' || kind === 'full'
}

/** The answer for a task whose key or id is known already. The key speaks first: it says which task is meant. */
function known(store: MemoryStore, task: NewTask, now: number): SubmitAnswer | null {
  const entry = task.idempotency && store.keys.find(task, now)
  if (entry) {
    const { id, createdAt } = entry
    if (entry.sameness !== sameness(task)) return { kind: 'conflict', by: 'key', id }
    const first = store.table.byId.get(id)
    // an explicit id may have been given again after its first task was pruned
    const status = first?.createdAt === createdAt ? first.status : null
    return { kind: 'duplicate', task: { id, type: task.type, status, createdAt } }
  }
  const row = store.table.byId.get(task.id)
  if (!row) return null
  const same = row.type === task.type && sameness(row) === sameness(task)
  return same ? { kind: 'duplicate', task: submitted(row) } : { kind: 'conflict', by: 'id', id: task.id }
}

function full(store: MemoryStore, { limits, clock }: Owner): SubmitAnswer | null {
  const waiting = store.table.waiting()
  if (waiting < limits.maxWaiting) return null
  const tooMany = waiting - limits.maxWaiting + 1
  return { kind: 'full', waiting, retryAfterMs: store.drain.retryAfterMs(tooMany, clock.monotonic()) }
}

function submitted({ id, type, status, createdAt }: Row): SubmittedTask {
  return { id, type, status, createdAt }
}
