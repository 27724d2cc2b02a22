import { crashPoint } from '../crash-point.js'
import { WorkerError } from '../errors.js'
import type { SubmitAnswer } from '../queue.js'
import { parseFence } from './base.js'
import type { HandOver } from './hand-over.js'
import type { Op } from './messages.js'
import type { createDrainRate } from './room.js'
import type { Store } from './store.js'

export type WriteOp = Exclude<Op, { op: 'get' | 'list' | 'counts' | 'claim' }>
type ReadOp = Extract<Op, { op: 'get' | 'list' | 'counts' }>

/** What the ops of one batch share. */
export interface Load {
  /** Tasks that wait, kept up as more are accepted. */
  waiting: number
  readonly hasRoom: boolean
  readonly handOver: HandOver | null
}

export function isRead(op: Op): op is ReadOp {
  return op.op === 'get' || op.op === 'list' || op.op === 'counts'
}

export function readOp(store: Store, op: ReadOp): unknown {
  switch (op.op) {
    case 'get':
      return store.get(op.id)
    case 'list':
      return store.list(op.filter)
    case 'counts':
      return store.counts()
  }
}

/** One write inside the batch's transaction. */
export function writeOp(
  store: Store,
  op: WriteOp,
  load: Load,
  drain: ReturnType<typeof createDrainRate>,
): unknown {
  switch (op.op) {
    case 'submit':
      return submit(store, op, load, drain)
    case 'settle':
      crashPoint('before_settle')
      return store.settle(op.fence, op.settlement)
    case 'record':
      return store.record(op.fence, op.report)
    case 'renew':
      return renew(store, op.fences)
    case 'requestCancel':
      return store.requestCancel(op.id)
    case 'replay':
      return store.replay(op.id)
    case 'pause':
    case 'resume':
      store.paused.refresh()
      return store[op.op](op.type)
    case 'prune':
      crashPoint('in_prune')
      return op.dryRun ? store.countExpendable(op.policy, op.limit) : store.prune(op.policy, op.limit)
  }
}

function submit(
  store: Store,
  { tasks }: Extract<Op, { op: 'submit' }>,
  load: Load,
  drain: ReturnType<typeof createDrainRate>,
): readonly SubmitAnswer[] {
  if (!load.hasRoom)
    throw new WorkerError(
      'storage_full',
      'the disk has less free space than the reserve that tasks in hand need',
    )
  const answers = store.accept(tasks, load.waiting, load.handOver)
  crashPoint('after_insert')
  for (const answer of answers) if (answer.kind === 'accepted') load.waiting++
  return answers.map((answer) =>
    answer.kind === 'full' ? { ...answer, retryAfterMs: drain.retryAfterMs(tasks.length) } : answer,
  )
}

export function renew(store: Store, fences: readonly string[]): ('renewed' | 'stale')[] {
  const until = store.base.clock.monotonic() + store.base.limits.leaseMs
  return fences.map((fence) => {
    const { seq, delivery } = parseFence(fence)
    return store.renewLease.run(until, seq, delivery).changes > 0 ? 'renewed' : 'stale'
  })
}
