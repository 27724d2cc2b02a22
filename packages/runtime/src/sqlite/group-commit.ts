import { crashPoint } from '../crash-point.js'
import { toWire } from '../error-wire.js'
import { isWorkerError, type WorkerError } from '../errors.js'
import type { ClaimedRows } from './claimed-row.js'
import type { HandOver } from './hand-over.js'
import type { Answer, Op } from './messages.js'
import type { Outbox } from './outbox.js'
import { type WriteOp, writeOp } from './perform-op.js'
import type { createDrainRate, createRoom } from './room.js'
import type { Store } from './store.js'
import type { Transact } from './transact.js'
import type { Upkeep } from './upkeep.js'
import type { ClaimOp, WaitingClaims } from './waiting-claims.js'

/** What one transaction does, beside answering the claims that wait. */
export interface Batch {
  readonly writes: readonly WriteOp[]
  readonly claims: readonly ClaimOp[]
}

interface Around {
  readonly store: Store
  readonly transact: Transact
  readonly upkeep: Upkeep
  readonly waiting: WaitingClaims
  readonly outbox: Outbox
  readonly drain: ReturnType<typeof createDrainRate>
  readonly hasRoom: ReturnType<typeof createRoom>
}

/**
 * Adds the answers of a batch that was written in one transaction: `BEGIN IMMEDIATE` → its writes → its claims and those that wait → `COMMIT`.
 * Never throws: where the transaction fails, that is the answer.
 */
export type GroupCommit = (batch: Batch, answers: Answer[]) => void

export function createGroupCommit(around: Around): GroupCommit {
  const { store, transact, upkeep, waiting, outbox, drain, hasRoom } = around

  /** What is submitted may go straight to the claims that wait, unless something of the same batch could come before it. */
  function handOverFor({ writes, claims }: Batch): HandOver | null {
    const submits = writes.filter(isSubmit)
    if (!waiting.any() || claims.length > 0 || submits.length === 0) return null
    if (submits.some(({ tasks }) => tasks.length > 1) || writes.some(makesReady)) return null
    return store.handOver(
      waiting.requests(),
      submits.flatMap(({ tasks }) => tasks),
    )
  }

  /** Inside the transaction. */
  function perform(batch: Batch) {
    const { writes, claims } = batch
    if (waiting.any() || claims.length > 0) upkeep.beforeClaims()
    const handOver = handOverFor(batch)
    const load = {
      waiting: writes.some(isSubmit) ? store.base.tally.waiting() : 0,
      hasRoom: hasRoom(sizeOf(writes)),
      handOver,
    }
    return {
      values: writes.map((op) => attempt(() => writeOp(store, op, load, drain))),
      claims: claims.map((op) => store.claim(op.request)),
      given: handOver ? handOver.given() : waiting.requests().map((request) => store.claim(request)),
    }
  }

  function commit(batch: Batch, answers: Answer[]): void {
    const { writes, claims } = batch
    const startedAt = performance.now()
    const outcome = transact(() => perform(batch))
    outbox.noteCommit(performance.now() - startedAt)
    upkeep.noteDue()
    for (const [index, op] of writes.entries()) answers.push({ ref: op.ref, ...outcome.values[index] })
    for (const [index, op] of claims.entries()) answers.push({ ref: op.ref, value: outcome.claims[index] })
    waiting.give(outcome.given, answers)
    noteCrashPoints(outcome.given, writes)
    drain.count(writes.filter((op) => op.op === 'settle').length)
  }

  function failAll({ writes, claims }: Batch, answers: Answer[], cause: unknown): void {
    const error = toWire(cause, 'store_unavailable')
    for (const op of [...writes, ...claims]) answers.push({ ref: op.ref, error })
    waiting.answerAll(answers, { error })
  }

  /** On a full disk the submits are refused and the rest, which frees tasks, is tried again without them. */
  function commitWithoutSubmits({ writes, claims }: Batch, answers: Answer[], full: WorkerError): void {
    const error = toWire(full, 'storage_full')
    for (const op of writes.filter(isSubmit)) answers.push({ ref: op.ref, error })
    const rest = { writes: writes.filter((op) => !isSubmit(op)), claims }
    try {
      commit(rest, answers)
    } catch (again) {
      failAll(rest, answers, again)
    }
  }

  return (batch, answers) => {
    try {
      commit(batch, answers)
    } catch (error) {
      const full = isWorkerError(error) && error.code === 'storage_full'
      if (full && batch.writes.some(isSubmit)) commitWithoutSubmits(batch, answers, error)
      else failAll(batch, answers, error)
    }
  }
}

/** The value, or the refusal, which concerns its own op; a failing store concerns the whole batch and is thrown on. */
export function attempt(work: () => unknown): Omit<Answer, 'ref'> {
  try {
    return { value: work() }
  } catch (error) {
    if (isWorkerError(error)) return { error: toWire(error, 'store_unavailable') }
    throw error
  }
}

const isSubmit = (op: WriteOp): op is Extract<Op, { op: 'submit' }> => op.op === 'submit'

/** Of what is submitted, about, in bytes. */
function sizeOf(writes: readonly WriteOp[]): number {
  let size = 0
  for (const op of writes) if (isSubmit(op)) for (const { payload } of op.tasks) size += payload.length
  return size
}

/** Writes after which a task may be ready that was not before. */
function makesReady(op: WriteOp): boolean {
  if (op.op === 'settle') return op.settlement.kind !== 'succeeded' && op.settlement.kind !== 'failed'
  return op.op === 'replay' || op.op === 'resume'
}

function noteCrashPoints(given: readonly ClaimedRows[], writes: readonly WriteOp[]): void {
  if (given.some(({ rows }) => rows.length > 0)) crashPoint('after_claim')
  if (writes.some((op) => op.op === 'settle')) crashPoint('after_settle')
}
