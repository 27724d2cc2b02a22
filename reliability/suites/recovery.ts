/** How soon a worker that starts again runs what the dead one had in hand. A promise about time: run it with nothing beside it. */
import { createArena, type Arena } from '../arena.ts'
import type { LedgerLine } from '../ledger.ts'
import { p50AndMax, tryCase, type Case, type Suite } from '../suite.ts'
import { workOf } from '../work.ts'
import type { WorkerProcess } from '../worker-process.ts'
import { finish, type KillAround } from './kill-at-random.ts'

/** The promise: from the start of the process to the start of the handler. */
const PROMISED_MS = 2000
/** A node process that does nothing is up after this long on an idle machine. What it takes longer is not ours, and is allowed on top. */
const IDLE_BOOT_MS = 150
const LONGEST_MS = 20_000
const MAX_CRASHES = 3

type Start = Extract<LedgerLine, { e: 'start' }>

export const recovery: Suite = async ({ seed, size, kills, lab, note }) => {
  const counts = { kills: 0, starts: 0, tasks: 0, runs: 0 }
  const times: Times = { alone: [], first_of_three: [], allowedMs: 0 }
  const trials = kills ?? (size === 'ci' ? 10 : 300)
  const tried = await recoverAgainAndAgain({ seed, lab, counts }, trials, times)
  note(`recovery: ${tried.violations.length === 0 ? 'ok' : 'VIOLATED'}`)
  const figures = {
    alone_ms: p50AndMax(times.alone),
    first_of_three_ms: p50AndMax(times.first_of_three),
    allowed_for_boot_ms: Math.round(times.allowedMs),
  }
  return { counts: { ...counts, ...figures }, cases: [tried] }
}

/** What is wrong after so many trials. */
export async function recoverOften(around: KillAround, trials: number): Promise<readonly string[]> {
  const times: Times = { alone: [], first_of_three: [], allowedMs: 0 }
  return (await recoverAgainAndAgain(around, trials, times)).violations
}

/** From the start of the process to the start of the handler. */
interface Times {
  readonly alone: number[]
  readonly first_of_three: number[]
  /** The most that a slow start of node was allowed. */
  allowedMs: number
}

/** Alone in hand: at once, with a crash charged. Together: free, and one at a time, alone. */
function recoverAgainAndAgain(around: KillAround, trials: number, times: Times): Promise<Case> {
  return tryCase('what was in hand runs again within 2 s', async () => {
    const wrong: string[] = []
    for (let n = 0; n < trials; n++) {
      const arena = createArena(around.lab, around.lab.folder('recovery'), {
        maxCrashes: MAX_CRASHES,
        leaseMs: 30_000,
      })
      try {
        const trial = n % 2 === 0 ? oneInHand(arena, times.alone) : threeInHand(arena, times.first_of_three)
        const { slow, allowed } = await trial
        times.allowedMs = Math.max(times.allowedMs, allowed)
        wrong.push(...slow, ...(await finish(arena, around.counts, MAX_CRASHES)))
      } finally {
        await arena.dispose()
      }
    }
    return wrong
  })
}

interface Measured {
  readonly slow: string[]
  readonly allowed: number
}

/** Killed twice: a third crash would be its end. */
async function oneInHand(arena: Arena, times: number[]): Promise<Measured> {
  let worker = await started(arena)
  const [id] = await putInHand(arena, worker, 1)
  const slow: string[] = []
  let allowed = 0
  for (const delivery of [2, 3]) {
    await arena.kill(worker)
    const again = await startAgain(arena, (line) => line.id === id && line.d === delivery)
    worker = again.worker
    allowed = Math.max(allowed, again.allowed)
    times.push(again.tookMs)
    slow.push(...again.slow)
    const task = await worker.ask({ ask: 'get', id: id! })
    if (task?.crashes !== delivery - 1 || task.attempts !== 0)
      slow.push(`P3 ${id}: alone in hand at ${delivery - 1} kills, charged ${task?.crashes} crashes`)
  }
  await worker.ask({ ask: 'cancel', id: id! })
  await arena.stop(worker)
  return { slow, allowed }
}

async function threeInHand(arena: Arena, times: number[]): Promise<Measured> {
  const first = await started(arena)
  const ids = await putInHand(arena, first, 3)
  await arena.kill(first)
  const { worker, slow, allowed, tookMs } = await startAgain(
    arena,
    (line) => ids.includes(line.id) && line.d === 2,
  )
  times.push(tookMs)
  for (const round of [1, 2, 3]) {
    const tasks = await Promise.all(ids.map((id) => worker.ask({ ask: 'get', id })))
    const running = tasks.filter((task) => task?.status === 'running')
    if (running.length > 1) slow.push(`P3 ${running.length} suspects ran beside each other`)
    for (const task of tasks)
      if (task && task.crashes + task.attempts > 0) slow.push(`P3 ${task.id}: charged for a crash of three`)
    const isNext = (line: LedgerLine): line is Start =>
      line.e === 'start' && ids.includes(line.id) && line.d === 2
    const begun = new Set(
      arena
        .ledger()
        .filter(isNext)
        .map(({ id }) => id),
    )
    for (const id of begun) await worker.ask({ ask: 'cancel', id }).catch(() => {})
    if (round === 3) break
    const next = await arena.waitForLine(
      (line): line is Start => isNext(line) && !begun.has(line.id),
      LONGEST_MS,
    )
    if (!next) slow.push(`P3 of three suspects only ${begun.size} ran again within ${LONGEST_MS} ms`)
  }
  await arena.stop(worker)
  return { slow, allowed }
}

async function started(arena: Arena): Promise<WorkerProcess> {
  const worker = arena.spawn('recovery')
  if ((await worker.ready) === null) throw new Error(`the worker did not start: ${arena.errors()}`)
  return worker
}

/** Long-running tasks, all of them begun. */
async function putInHand(arena: Arena, worker: WorkerProcess, count: number): Promise<string[]> {
  const ids: string[] = []
  for (let n = 0; n < count; n++) {
    const { id } = await worker.ask({
      ask: 'submit',
      type: 'slow',
      payload: workOf(`in hand ${n}`, { ms: 60_000 }),
      options: {},
    })
    ids.push(id)
  }
  for (const id of ids)
    await arena.waitForLine((line): line is Start => line.e === 'start' && line.id === id, LONGEST_MS)
  return ids
}

async function startAgain(arena: Arena, fits: (line: Start) => boolean) {
  const worker = arena.spawn('recovery')
  const line = await arena.waitForLine(
    (one): one is Start => one.e === 'start' && one.pid === worker.pid && fits(one),
    LONGEST_MS,
  )
  // its task may run before it answers questions
  if ((await worker.ready) === null) throw new Error(`the worker did not start: ${arena.errors()}`)
  const boot = arena.ledger().find((one) => one.e === 'boot' && one.pid === worker.pid)
  const allowed = Math.max(0, (boot?.t ?? worker.spawnedAt) - worker.spawnedAt - IDLE_BOOT_MS)
  const tookMs = (line?.t ?? worker.spawnedAt + LONGEST_MS) - worker.spawnedAt
  const slow =
    tookMs > PROMISED_MS + allowed
      ? [
          `P3 in hand at a kill, ran again ${Math.round(tookMs)} ms after the restart (allowed ${PROMISED_MS} + ${Math.round(allowed)})`,
        ]
      : []
  return { worker, slow, allowed, tookMs }
}
