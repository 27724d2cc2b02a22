/**
 * The embedded queue's part in the keeper thread: the only connection, and the group commit.
 *
 * What arrives while a transaction runs is the next one: `BEGIN IMMEDIATE` → all writes of the batch → the waiting claims → `COMMIT` → one
 * message with all answers. Nothing is answered before its commit; with `synchronous=FULL` a commit is an fsync.
 */
import { receiveMessageOnPort } from 'node:worker_threads'
import { crashPoint } from '../crash-point.js'
import { toWire } from '../error-wire.js'
import { isWorkerError, type WorkerError } from '../errors.js'
import type { Resident, ResidentContext } from '../keeper/resident.js'
import type { Recovered, Wake } from '../queue.js'
import type { ClaimedRows } from './claimed-row.js'
import { settleBlocked } from './blocked.js'
import type { HandOver } from './hand-over.js'
import type { Answer, FromResident, Op, ResidentData } from './messages.js'
import { isRead, readOp, renew, writeOp, type WriteOp } from './perform-op.js'
import { createDrainRate, createRoom } from './room.js'
import { openStore, type Store } from './store.js'
import { createTransactions } from './transact.js'
import { createUpkeep } from './upkeep.js'
import { type ClaimOp, createWaitingClaims } from './waiting-claims.js'

/** How soon work of another process is seen. */
export const TICK_MS = 20

/** What one transaction does, beside answering the claims that wait. */
interface Batch {
  readonly writes: readonly WriteOp[]
  readonly claims: readonly ClaimOp[]
}

/** More ops than this are done in two transactions: the main thread works on the answers of the first while the second is committed. */
const FULL_BATCH = 96

const NO_OPS: Batch = { writes: [], claims: [] }

export function openResident(context: ResidentContext): Resident {
  const data = context.data as ResidentData
  const store = openStore(data, context.clock)
  try {
    return serve(store, data, context)
  } catch (error) {
    store.close()
    throw error
  }
}

function serve(store: Store, data: ResidentData, { port, clock, log }: ResidentContext): Resident {
  const drain = createDrainRate(clock)
  const hasRoom = createRoom(store.directory, data.reserveBytes, clock)
  const { transact, read } = createTransactions(store, (error) => {
    log('error', 'store_failed', { error: error.message })
    post([], null, error)
  })
  let recovered: Recovered[] = []
  const upkeep = createUpkeep(store, transact, clock, (one) => {
    log('warn', 'tasks_recovered', { ...one })
    recovered.push(one)
  })
  const waiting = createWaitingClaims(clock)
  let commitMs: number | null = null

  function post(answers: readonly Answer[], wake: Wake | null, fatal: WorkerError | null = null): void {
    if (answers.length === 0 && !wake && !fatal) return
    const failure = fatal && toWire(fatal, 'store_failed')
    const message: FromResident = { answers, wake, commitMs, recovered, fatal: failure }
    const text = textOf(message)
    if (text === null) {
      // too long for one string: many large answers at once
      const middle = Math.ceil(answers.length / 2)
      post(answers.slice(0, middle), null)
      return post(answers.slice(middle), wake, fatal)
    }
    commitMs = null
    recovered = []
    port.postMessage(text)
  }

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

  function commit(batch: Batch, answers: Answer[]): void {
    const { writes, claims } = batch
    const startedAt = performance.now()
    const outcome = transact(() => {
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
    })
    commitMs = performance.now() - startedAt
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

  function write(batch: Batch, answers: Answer[]): void {
    const before = answers.length
    try {
      commit(batch, answers)
    } catch (error) {
      answers.length = before
      const full = isWorkerError(error) && error.code === 'storage_full'
      if (full && batch.writes.some(isSubmit)) commitWithoutSubmits(batch, answers, error)
      else failAll(batch, answers, error)
    }
  }

  function run(ops: readonly Op[]): void {
    const answers: Answer[] = []
    const claims = waiting.note(ops, answers)
    const writes = ops.filter((op): op is WriteOp => !isRead(op) && op.op !== 'claim')
    if (writes.length > 0 || claims.length > 0 || waiting.any()) write({ writes, claims }, answers)
    for (const op of ops)
      if (isRead(op)) answers.push({ ref: op.ref, ...attempt(() => read(() => readOp(store, op))) })
    post(answers, null)
    // in a message of its own: of a delivery that the answers hand over the main thread must know before it hears of its cancel
    if (writes.some((op) => op.op === 'requestCancel')) post([], upkeep.wake(false))
  }

  port.on('message', (first: string) => {
    const ops = JSON.parse(first) as Op[]
    for (let next = receiveMessageOnPort(port); next; next = receiveMessageOnPort(port)) {
      ops.push(...(JSON.parse(next.message as string) as Op[]))
    }
    if (ops.length <= FULL_BATCH) return run(ops)
    for (const half of halves(ops)) run(half)
  })

  function tick(): void {
    const answers: Answer[] = []
    const news = read(() => upkeep.look())
    if (waiting.any() && (news.ready || waiting.anyLate())) write(NO_OPS, answers)
    post(answers, news.wake)
  }
  const ticking = setInterval(() => {
    try {
      tick()
    } catch (error) {
      log('warn', 'queue_upkeep_failed', { error: String(error) })
    }
  }, TICK_MS)

  let open = true
  function close(): void {
    if (!open) return
    open = false
    clearInterval(ticking)
    store.close()
  }
  // the driver was closed: nothing more can come, and another process may take over what is left
  port.on('close', close)

  upkeep.recover()
  return {
    renew(fences) {
      const renewed = transact(() => renew(store, fences))
      const lost = fences.filter((_, index) => renewed[index] === 'stale')
      if (lost.length > 0) post([], { ready: false, cancelled: [], lost, changed: true })
    },
    settleBlocked: (blocking, others) => settleBlocked(store, transact, blocking, others),
    close() {
      port.close()
      close()
    },
  }
}

/** Null where it is longer than a string may be; a single answer never is. */
function textOf(message: FromResident): string | null {
  try {
    return JSON.stringify(message)
  } catch (error) {
    if (error instanceof RangeError && message.answers.length > 1) return null
    throw error
  }
}

const isSubmit = (op: WriteOp): op is Extract<WriteOp, { op: 'submit' }> => op.op === 'submit'

/** Of what is submitted, about, in bytes. */
function sizeOf(writes: readonly WriteOp[]): number {
  let size = 0
  for (const op of writes) if (isSubmit(op)) for (const { payload } of op.tasks) size += payload.length
  return size
}

/** Submits and settles concern a task each, and may be divided; the rest, reads after them, keep their order in the first half. */
function halves(ops: readonly Op[]): readonly [first: Op[], second: Op[]] {
  const [first, second]: [Op[], Op[]] = [[], []]
  const seen = { submit: 0, settle: 0, claim: 0 }
  for (const op of ops) {
    const divided = op.op === 'submit' || op.op === 'settle' || op.op === 'claim'
    const half = divided && seen[op.op]++ % 2 === 1 ? second : first
    half.push(op)
  }
  return [first, second]
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

/** A refusal concerns its own op; a failing store concerns the whole batch and is thrown on. */
function attempt(work: () => unknown): Omit<Answer, 'ref'> {
  try {
    return { value: work() }
  } catch (error) {
    if (isWorkerError(error)) return { error: toWire(error, 'store_unavailable') }
    throw error
  }
}
