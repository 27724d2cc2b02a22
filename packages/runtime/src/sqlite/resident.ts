/**
 * The embedded queue's part in the keeper thread: the only connection, and the group commit.
 *
 * What arrives while a transaction runs is the next one: `BEGIN IMMEDIATE` → all writes of the batch → the waiting claims → `COMMIT` → one
 * message with all answers. Nothing is answered before its commit; with `synchronous=FULL` a commit is an fsync.
 */
import { receiveMessageOnPort } from 'node:worker_threads'
import type { Resident, ResidentContext } from '../keeper/resident.js'
import { settleBlocked } from './blocked.js'
import { attempt, createGroupCommit } from './group-commit.js'
import type { Answer, Op, ResidentData } from './messages.js'
import { createOutbox } from './outbox.js'
import { isRead, readOp, renew, type WriteOp } from './perform-op.js'
import { createDrainRate, createRoom } from './room.js'
import { openStore, type Store } from './store.js'
import { createTransactions } from './transact.js'
import { createUpkeep } from './upkeep.js'
import { createWaitingClaims } from './waiting-claims.js'

/** How soon work of another process is seen. */
export const TICK_MS = 20

/** More ops than this are done in two transactions: the main thread works on the answers of the first while the second is committed. */
const FULL_BATCH = 96

export function openResident(context: ResidentContext): Resident {
  const data = context.data as ResidentData
  const store = openStore(data, context.clock)
  try {
    return serve(store, wire(store, data, context), context)
  } catch (error) {
    store.close()
    throw error
  }
}

type Parts = ReturnType<typeof wire>

function wire(store: Store, data: ResidentData, { port, clock, log }: ResidentContext) {
  const outbox = createOutbox(port)
  const { transact, read } = createTransactions(store, (error) => {
    log('error', 'store_failed', { error: error.message })
    outbox.post([], null, error)
  })
  const upkeep = createUpkeep(store, transact, clock, (recovered) => {
    log('warn', 'tasks_recovered', { ...recovered })
    outbox.noteRecovered(recovered)
  })
  const waiting = createWaitingClaims(clock)
  const drain = createDrainRate(clock)
  const hasRoom = createRoom(store.directory, data.reserveBytes, clock)
  const write = createGroupCommit({ store, transact, upkeep, waiting, outbox, drain, hasRoom })
  return { outbox, transact, read, upkeep, waiting, write }
}

function serve(store: Store, parts: Parts, { port, log }: ResidentContext): Resident {
  const { outbox, transact, upkeep } = parts
  port.on('message', (first: string) => {
    const ops = JSON.parse(first) as Op[]
    for (let next = receiveMessageOnPort(port); next; next = receiveMessageOnPort(port)) {
      ops.push(...(JSON.parse(next.message as string) as Op[]))
    }
    if (ops.length <= FULL_BATCH) return run(store, parts, ops)
    for (const half of halves(ops)) run(store, parts, half)
  })
  const ticking = setInterval(() => {
    try {
      tick(parts)
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
      if (lost.length > 0) outbox.post([], { ready: false, cancelled: [], lost, changed: true })
    },
    settleBlocked: (blocking, others) => settleBlocked(store, transact, blocking, others),
    close() {
      port.close()
      close()
    },
  }
}

/** What came in one turn, in one transaction. */
function run(store: Store, { outbox, read, upkeep, waiting, write }: Parts, ops: readonly Op[]): void {
  const answers: Answer[] = []
  const claims = waiting.note(ops, answers)
  const writes = ops.filter((op): op is WriteOp => !isRead(op) && op.op !== 'claim')
  if (writes.length > 0 || claims.length > 0 || waiting.any()) write({ writes, claims }, answers)
  for (const op of ops)
    if (isRead(op)) answers.push({ ref: op.ref, ...attempt(() => read(() => readOp(store, op))) })
  outbox.post(answers, null)
  // in a message of its own: of a delivery that the answers hand over the main thread must know before it hears of its cancel
  if (writes.some((op) => op.op === 'requestCancel')) outbox.post([], upkeep.wake(false))
}

/** What others did, and what time did, while nothing came. */
function tick({ outbox, read, upkeep, waiting, write }: Parts): void {
  const answers: Answer[] = []
  const news = read(() => upkeep.look())
  if (waiting.any() && (news.ready || waiting.anyLate())) write({ writes: [], claims: [] }, answers)
  outbox.post(answers, news.wake)
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
