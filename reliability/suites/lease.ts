/** Leases and fences, with two workers on one file: a worker that was frozen past its lease, and work that takes longer than a lease. */
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import { createArena, type Arena } from '../arena.ts'
import { checkHistory } from '../check.ts'
import type { Lab } from '../lab.ts'
import type { LedgerLine } from '../ledger.ts'
import { monotonicMs } from '../monotonic.ts'
import { tryCase, type Case, type Suite } from '../suite.ts'
import { workOf } from '../work.ts'
import type { WorkerProcess } from '../worker-process.ts'

const LEASE_MS = 900
const MAX_CRASHES = 3
const WAIT_MS = 30_000
/** From a handler's end to its settle. */
const SETTLE_MS = 5000

type Start = Extract<LedgerLine, { e: 'start' }>

export const lease: Suite = async ({ size, lab, note }) => {
  const rounds = size === 'ci' ? 2 : 20
  const cases: Case[] = []
  const counts = { frozen: 0, stale_settles: 0, long_runs: 0 }
  for (let round = 1; round <= rounds; round++) {
    const name = `a frozen worker's late result is refused (${round})`
    cases.push(await tryCase(name, () => inArena(lab, (arena) => freeze(arena, counts))))
    cases.push(
      await tryCase(`work longer than its lease runs once (${round})`, () =>
        inArena(lab, (arena) => runLong(arena, counts)),
      ),
    )
    note(
      `lease, round ${round}: ${cases.slice(-2).every(({ violations }) => violations.length === 0) ? 'ok' : 'VIOLATED'}`,
    )
  }
  return { counts, cases }
}

export function freezeOnce(lab: Lab): Promise<string[]> {
  return inArena(lab, (arena) => freeze(arena, { frozen: 0, stale_settles: 0 }))
}

export function runLongOnce(lab: Lab): Promise<string[]> {
  return inArena(lab, (arena) => runLong(arena, { long_runs: 0 }))
}

async function inArena(lab: Lab, trial: (arena: Arena) => Promise<string[]>): Promise<string[]> {
  const arena = createArena(lab, lab.folder('lease'), { leaseMs: LEASE_MS, maxCrashes: MAX_CRASHES })
  try {
    return await trial(arena)
  } finally {
    await arena.dispose()
  }
}

/**
 * The first worker stops (SIGSTOP) with a task in hand, its lease ends, the second runs the task; then the first goes on and finishes what it
 * believes to be its own while the second is still at it.
 */
async function freeze(arena: Arena, counts: { frozen: number; stale_settles: number }): Promise<string[]> {
  const workMs = 1500
  // started before, and held until it is needed: a start may take longer than the work
  const second = await started(arena, 'second')
  await freezeOutside(arena, second)
  const first = await started(arena, 'first')
  const { id } = await first.ask({
    ask: 'submit',
    type: 'slow',
    payload: workOf('frozen', { ms: workMs, stubborn: true }),
    options: {},
  })
  const begun = await startOf(arena, id, 1)
  const frozenAt = await freezeOutside(arena, first)
  second.signal('SIGCONT')
  const again = await startOf(arena, id, 2)
  await sleep(Math.max(100, begun.t + workMs + 50 - monotonicMs()))
  first.signal('SIGCONT')
  await endOf(arena, id, 2)
  const settled = waitForFinal(second, id, SETTLE_MS).then(
    () => true,
    () => false,
  )
  if (!(await settled)) {
    const task = await second.ask({ ask: 'get', id })
    return [`P4 ${id}: its holder finished, yet it is ${task?.status} at delivery ${task?.deliveries}`]
  }
  // the late finisher has spoken once its own log says so
  await waitUntil(() => arena.log().some(({ event, task_id: task }) => event === 'task_lost' && task === id))
  await Promise.all([arena.stop(first), arena.stop(second)])
  const tasks = await arena.drain()
  const found = checkHistory(arena, tasks, {
    maxCrashes: MAX_CRASHES,
    beliefEnds: new Map([[first.pid, frozenAt]]),
  })
  const task = tasks.find((one) => one.id === id)
  if (again.pid !== second.pid)
    found.push('the frozen worker ran it again itself: the harness tested nothing')
  if (task?.status !== 'succeeded' || task.deliveries !== 2)
    found.push(`P4 ${id}: ${task?.status} after ${task?.deliveries} deliveries`)
  const stale = arena.log().filter(({ event }) => event === 'task_lost').length
  counts.frozen++
  counts.stale_settles += stale
  return found
}

/**
 * Stops a process that is not in a transaction. (One that is holds SQLite's write lock for as long as it is frozen, and all other writers with
 * it: that is the nature of a shared file, and not what is tried here.)
 */
export async function freezeOutside(arena: Arena, worker: WorkerProcess): Promise<number> {
  for (;;) {
    const at = worker.signal('SIGSTOP')
    await sleep(20)
    if (isWritable(arena.database)) return at
    worker.signal('SIGCONT')
    await sleep(7)
  }
}

function isWritable(database: string): boolean {
  const db = new DatabaseSync(database, { timeout: 0 })
  try {
    db.exec('BEGIN IMMEDIATE; ROLLBACK')
    return true
  } catch {
    return false
  } finally {
    db.close()
  }
}

async function runLong(arena: Arena, counts: { long_runs: number }): Promise<string[]> {
  const first = await started(arena, 'first')
  const ids: string[] = []
  for (let n = 0; n < 3; n++) {
    const { id } = await first.ask({
      ask: 'submit',
      type: 'slow',
      payload: workOf(`long ${n}`, { ms: 3 * LEASE_MS + 200 }),
      options: {},
    })
    await startOf(arena, id, 1)
    ids.push(id)
  }
  const second = await started(arena, 'second')
  for (const id of ids) await endOf(arena, id, 1)
  // looked at before the drain: without leases that hold, it would never end
  const now = await Promise.all(ids.map((id) => second.ask({ ask: 'get', id })))
  const again = now.flatMap((task) =>
    task && task.deliveries > 1
      ? [`P4 ${task.id}: its worker held the lease, yet it was delivered ${task.deliveries} times`]
      : [],
  )
  counts.long_runs += ids.length
  if (again.length > 0) return again
  await Promise.all([arena.stop(first), arena.stop(second)])
  return checkHistory(arena, await arena.drain(), { maxCrashes: MAX_CRASHES })
}

async function endOf(arena: Arena, id: string, delivery: number): Promise<void> {
  const isEnd = (line: LedgerLine): line is LedgerLine =>
    line.e === 'end' && line.id === id && line.d === delivery
  if (!(await arena.waitForLine(isEnd, WAIT_MS))) throw new Error(`${id} did not end within ${WAIT_MS} ms`)
}

export async function started(
  arena: Arena,
  name: string,
  ...rest: Parameters<Arena['spawn']> extends [string, ...infer Rest] ? Rest : never
): Promise<WorkerProcess> {
  const worker = arena.spawn(name, ...rest)
  if ((await worker.ready) === null)
    throw new Error(
      `${name} did not start: ${JSON.stringify(worker.refusal())} ${arena.errors().slice(-1000)}`,
    )
  return worker
}

export async function startOf(arena: Arena, id: string, delivery: number): Promise<Start> {
  const line = await arena.waitForLine(
    (one): one is Start => one.e === 'start' && one.id === id && one.d === delivery,
    WAIT_MS,
  )
  if (!line) throw new Error(`delivery ${delivery} of ${id} did not start within ${WAIT_MS} ms`)
  return line
}

export async function waitForFinal(worker: WorkerProcess, id: string, withinMs = WAIT_MS): Promise<void> {
  await waitUntil(async () => {
    const task = await worker.ask({ ask: 'get', id })
    return task !== null && ['succeeded', 'failed', 'cancelled'].includes(task.status)
  }, withinMs)
}

export async function waitUntil(holds: () => boolean | Promise<boolean>, withinMs = WAIT_MS): Promise<void> {
  for (const end = performance.now() + withinMs; !(await holds()); await sleep(20)) {
    if (performance.now() > end)
      throw new Error(`waited ${withinMs} ms in vain for ${holds.toString().replaceAll(/\s+/g, ' ')}`)
  }
}
