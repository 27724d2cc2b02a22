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
import type { Claim, ClaimRequest, Wake } from '../queue.js'
import { settleBlocked } from './blocked.js'
import type { Answer, FromResident, Op, ResidentData } from './messages.js'
import { isRead, readOp, renew, writeOp, type Batch } from './perform-op.js'
import { createDrainRate, createRoom } from './room.js'
import { openStore, type Store } from './store.js'
import { createTransact } from './transact.js'
import { createUpkeep } from './upkeep.js'

/** How soon work of another process is seen. */
export const TICK_MS = 20

type WaitingClaim = { readonly ref: number; readonly request: ClaimRequest; readonly until: number }
type WriteOp = Parameters<typeof writeOp>[1]

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

  /** The newest claim is the one that waits; those before it answer empty. */
  function noteClaims(ops: readonly Op[], answers: Answer[]): void {
    for (const op of ops) {
      if (op.op !== 'claim') continue
      if (waiting) answers.push({ ref: waiting.ref, value: EMPTY })
      else if (op.replaces) {
        // the claim that it was to replace has been answered: that answer is on its way, and the caller will claim again
        answers.push({ ref: op.ref, value: EMPTY })
        continue
      }
      waiting = { ref: op.ref, request: op.request, until: clock.monotonic() + (op.request.waitMs ?? 0) }
    }
  }

  function claimWaiting(): Claim | null {
    if (!waiting) return null
    const claim = store.claim(waiting.request)
    const answered = claim.deliveries.length > 0 || claim.suspects > 0 || clock.monotonic() >= waiting.until
    return answered ? claim : null
  }

  function answerWaiting(answers: Answer[], answer: Omit<Answer, 'ref'>): void {
    if (!waiting) return
    answers.push({ ref: waiting.ref, ...answer })
    waiting = null
  }

  function commit(ops: readonly WriteOp[], answers: Answer[]): void {
    const startedAt = performance.now()
    const outcome = transact(() => {
      const batch: Batch = { waiting: ops.some((op) => op.op === 'submit') ? store.base.tally.waiting() : 0, hasRoom: hasRoom() }
      if (waiting) upkeep.makeDueReady()
      return { values: ops.map((op) => attempt(() => writeOp(store, op, batch, drain))), claim: claimWaiting() }
    })
    commitMs = performance.now() - startedAt
    upkeep.noteDue()
    for (const [index, op] of ops.entries()) answers.push({ ref: op.ref, ...outcome.values[index] })
    if (outcome.claim) {
      if (outcome.claim.deliveries.length > 0) crashPoint('after_claim')
      answerWaiting(answers, { value: outcome.claim })
    }
    if (ops.some((op) => op.op === 'settle')) crashPoint('after_settle')
    drain.count(ops.filter((op) => op.op === 'settle').length)
  }

  /** On a full disk the submits are refused and the rest, which frees tasks, is tried again without them. */
  function commitWithoutSubmits(ops: readonly WriteOp[], answers: Answer[], full: WorkerError): void {
    const error = toWire(full, 'storage_full')
    for (const op of ops) if (op.op === 'submit') answers.push({ ref: op.ref, error })
    const rest = ops.filter((op) => op.op !== 'submit')
    try {
      commit(rest, answers)
    } catch (again) {
      failAll(rest, answers, again)
    }
  }

  function failAll(ops: readonly WriteOp[], answers: Answer[], cause: unknown): void {
    const error = toWire(cause, 'store_unavailable')
    for (const op of ops) answers.push({ ref: op.ref, error })
    answerWaiting(answers, { error })
  }

  function write(ops: readonly WriteOp[], answers: Answer[]): void {
    const before = answers.length
    try {
      commit(ops, answers)
    } catch (error) {
      answers.length = before
      const full = isWorkerError(error) && error.code === 'storage_full'
      if (full && ops.some((op) => op.op === 'submit')) commitWithoutSubmits(ops, answers, error)
      else failAll(ops, answers, error)
    }
  }

  function run(ops: readonly Op[]): void {
    const answers: Answer[] = []
    noteClaims(ops, answers)
    const writes = ops.filter((op): op is WriteOp => !isRead(op) && op.op !== 'claim')
    if (writes.length > 0 || waiting) write(writes, answers)
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
    if (waiting && (news.ready || clock.monotonic() >= waiting.until)) write([], answers)
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

const EMPTY: Claim = { deliveries: [], suspects: 0 }

/** A refusal concerns its own op; a failing store concerns the whole batch and is thrown on. */
function attempt(work: () => unknown): Omit<Answer, 'ref'> {
  try {
    return { value: work() }
  } catch (error) {
    if (isWorkerError(error)) return { error: toWire(error, 'store_unavailable') }
    throw error
  }
}
