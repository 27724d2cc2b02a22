/**
 * The embedded queue's part in the keeper thread: the only connection, and the group commit.
 *
 * What arrives while a transaction runs is the next one: `BEGIN IMMEDIATE` → all writes of the batch → the waiting claim → `COMMIT` → one
 * message with all answers. Nothing is answered before its commit; with `synchronous=FULL` a commit is an fsync.
 */
import { receiveMessageOnPort } from 'node:worker_threads'
import { crashPoint } from '../crash-point.js'
import { toWire } from '../error-wire.js'
import { isWorkerError, type WorkerError } from '../errors.js'
import type { Resident, ResidentContext } from '../keeper/resident.js'
import type { ClaimRequest, Wake } from '../queue.js'
import { type ClaimedRows, NOTHING_CLAIMED } from './claimed-row.js'
import { settleBlocked } from './blocked.js'
import type { HandOver } from './hand-over.js'
import type { Answer, FromResident, Op, ResidentData } from './messages.js'
import { isRead, readOp, renew, writeOp, type WriteOp } from './perform-op.js'
import { createDrainRate, createRoom } from './room.js'
import { openStore, type Store } from './store.js'
import { createTransact } from './transact.js'
import { createUpkeep } from './upkeep.js'

/** How soon work of another process is seen. */
export const TICK_MS = 20

type WaitingClaim = { readonly ref: number; readonly request: ClaimRequest; readonly until: number }
type ClaimOp = Extract<Op, { op: 'claim' }>

/** What one transaction does, beside answering the claim that waits. */
interface Batch {
  readonly writes: readonly WriteOp[]
  readonly claims: readonly ClaimOp[]
}

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
  const transact = createTransact(store, (error) => {
    log('error', 'store_failed', { error: error.message })
    post([], null, error)
  })
  const upkeep = createUpkeep(store, transact, clock, log)
  let waiting: WaitingClaim | null = null
  let commitMs: number | null = null

  function post(answers: readonly Answer[], wake: Wake | null, fatal: WorkerError | null = null): void {
    if (answers.length === 0 && !wake && !fatal) return
    const message: FromResident = { answers, wake, commitMs, fatal: fatal && toWire(fatal, 'store_failed') }
    commitMs = null
    port.postMessage(JSON.stringify(message))
  }

  /**
   * Claims that do not wait are answered by this transaction. Of those that wait there is one, the newest; any later claim makes the older one
   * answer empty.
   */
  function noteClaims(ops: readonly Op[], answers: Answer[]): ClaimOp[] {
    const atOnce: ClaimOp[] = []
    for (const op of ops) {
      if (op.op !== 'claim') continue
      const { waitMs = 0 } = op.request
      const replaced = waiting !== null
      answerWaiting(answers, { value: NOTHING_CLAIMED })
      if (waitMs === 0) atOnce.push(op)
      // the claim that it was to replace has been answered: that answer is on its way, and the caller will claim again
      else if (op.replaces && !replaced) answers.push({ ref: op.ref, value: NOTHING_CLAIMED })
      else waiting = { ref: op.ref, request: op.request, until: clock.monotonic() + waitMs }
    }
    return atOnce
  }

  /** What is submitted may go straight to the claim that waits, unless something of the same batch could come before it. */
  function handOverFor(writes: readonly WriteOp[]): HandOver | null {
    if (!waiting || !writes.some(isSubmit) || writes.some(makesReady)) return null
    return store.handOver(
      waiting.request,
      writes.flatMap((op) => (op.op === 'submit' ? op.tasks : [])),
    )
  }

  function claimWaiting(): ClaimedRows | null {
    if (!waiting) return null
    const claim = store.claim(waiting.request)
    const answered = claim.rows.length > 0 || claim.suspects > 0 || clock.monotonic() >= waiting.until
    return answered ? claim : null
  }

  function answerWaiting(answers: Answer[], answer: Omit<Answer, 'ref'>): void {
    if (!waiting) return
    answers.push({ ref: waiting.ref, ...answer })
    waiting = null
  }

  function commit(batch: Batch, answers: Answer[]): void {
    const { writes, claims } = batch
    const startedAt = performance.now()
    const outcome = transact(() => {
      if (waiting || claims.length > 0) upkeep.beforeClaims()
      const handOver = claims.length === 0 ? handOverFor(writes) : null
      const load = {
        waiting: writes.some(isSubmit) ? store.base.tally.waiting() : 0,
        hasRoom: hasRoom(),
        handOver,
      }
      return {
        values: writes.map((op) => attempt(() => writeOp(store, op, load, drain))),
        claims: claims.map((op) => store.claim(op.request)),
        waiting: handOver && handOver.rows.length > 0 ? { rows: handOver.rows, suspects: 0 } : claimWaiting(),
      }
    })
    commitMs = performance.now() - startedAt
    upkeep.noteDue()
    for (const [index, op] of writes.entries()) answers.push({ ref: op.ref, ...outcome.values[index] })
    for (const [index, op] of claims.entries()) answers.push({ ref: op.ref, value: outcome.claims[index] })
    if (outcome.waiting) answerWaiting(answers, { value: outcome.waiting })
    noteCrashPoints(outcome.waiting, writes)
    drain.count(writes.filter((op) => op.op === 'settle').length)
  }

  function failAll({ writes, claims }: Batch, answers: Answer[], cause: unknown): void {
    const error = toWire(cause, 'store_unavailable')
    for (const op of [...writes, ...claims]) answers.push({ ref: op.ref, error })
    answerWaiting(answers, { error })
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
    const claims = noteClaims(ops, answers)
    const writes = ops.filter((op): op is WriteOp => !isRead(op) && op.op !== 'claim')
    if (writes.length > 0 || claims.length > 0 || waiting) write({ writes, claims }, answers)
    for (const op of ops) if (isRead(op)) answers.push({ ref: op.ref, ...attempt(() => readOp(store, op)) })
    const steered = writes.some((op) => op.op === 'requestCancel')
    post(answers, steered ? upkeep.wake(false) : null)
  }

  port.on('message', (first: string) => {
    const ops = JSON.parse(first) as Op[]
    for (let next = receiveMessageOnPort(port); next; next = receiveMessageOnPort(port)) {
      ops.push(...(JSON.parse(next.message as string) as Op[]))
    }
    run(ops)
  })

  function tick(): void {
    const answers: Answer[] = []
    const news = upkeep.look()
    if (waiting && (news.ready || clock.monotonic() >= waiting.until)) write(NO_OPS, answers)
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

const isSubmit = (op: WriteOp) => op.op === 'submit'

/** Writes after which a task may be ready that was not before. */
function makesReady(op: WriteOp): boolean {
  if (op.op === 'settle') return op.settlement.kind !== 'succeeded' && op.settlement.kind !== 'failed'
  return op.op === 'replay' || op.op === 'resume'
}

function noteCrashPoints(claim: ClaimedRows | null, writes: readonly WriteOp[]): void {
  if (claim && claim.rows.length > 0) crashPoint('after_claim')
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
