/** SIGTERM: in time, nothing lost, nobody charged; and a task that outlives fifty restarts. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Task } from '@mcp-worker/runtime'
import { createArena, type Arena } from '../arena.ts'
import { checkHistory } from '../check.ts'
import { createDiskProbe } from '../disk-probe.ts'
import type { Lab } from '../lab.ts'
import { createRandom, seedOf } from '../random.ts'
import { p50AndMax, tryCase, type Suite } from '../suite.ts'
import { workOf } from '../work.ts'
import { monotonicMs } from '../monotonic.ts'
import type { WorkerProcess } from '../worker-process.ts'
import { started, startOf, waitForFinal } from './lease.ts'

const MAX_CRASHES = 3
/** The promise: all phases together within the timeout and this. */
const BEYOND_MS = 1000

export const shutdown: Suite = async ({ seed, size, kills, lab, note }) => {
  const terms = kills ?? (size === 'ci' ? 20 : 300)
  const around = { seed, lab, tookMs: [] as number[], exits: {} as Record<string, number> }
  const trials = [
    ['SIGTERM at any moment of load', () => underLoad(around, terms)],
    ['a handler that ignores its signal is left behind, uncharged', () => ignoredSignal(around)],
    ['a task with one attempt outlives the restarts', () => rolling(around, 50)],
  ] as const
  const cases = []
  for (const [name, trial] of trials) {
    const tried = await tryCase(name, trial)
    note(`shutdown, ${name}: ${tried.violations.length === 0 ? 'ok' : 'VIOLATED'}`)
    cases.push(tried)
  }
  return {
    counts: { stops: around.tookMs.length, exits: around.exits, stop_ms: p50AndMax(around.tookMs) },
    cases,
  }
}

interface Around {
  readonly seed: number
  readonly lab: Lab
  readonly tookMs: number[]
  readonly exits: Record<string, number>
}

export function stopOnce(lab: Lab, seed: number): Promise<string[]> {
  return underLoad({ seed, lab, tookMs: [], exits: {} }, 1)
}

export function stopStubbornOnce(lab: Lab, seed: number): Promise<string[]> {
  return ignoredSignal({ seed, lab, tookMs: [], exits: {} })
}

/** Short tasks drain, long ones are handed back, over and over. */
async function underLoad(around: Around, terms: number): Promise<string[]> {
  const stopTimeoutMs = 2000
  const random = createRandom(seedOf(around.seed, 'shutdown'))
  const arena = createArena(around.lab, around.lab.folder('shutdown'), {
    maxCrashes: MAX_CRASHES,
    stopTimeoutMs,
    abortGraceMs: 400,
  })
  try {
    const wrong: string[] = []
    for (let n = 0; n < terms; n++) {
      const worker = await started(arena, 'shutdown', {
        load: { seed: random.int(0, 2 ** 31), gapMs: 4, mostWaiting: 100 },
      })
      if (n % 3 === 0) {
        const { id } = await worker.ask({
          ask: 'submit',
          type: 'slow',
          payload: workOf(`long ${n}`, { ms: 4000 }),
          options: { maxAttempts: 1, priority: 10 },
        })
        await startOf(arena, id, 1)
      }
      await sleep(random.int(0, 500))
      wrong.push(...(await stopInTime(worker, stopTimeoutMs, [0], around)))
    }
    return [...wrong, ...chargedFor(await arena.drain(), arena)]
  } finally {
    await arena.dispose()
  }
}

async function ignoredSignal(around: Around): Promise<string[]> {
  const stopTimeoutMs = 1500
  const arena = createArena(around.lab, around.lab.folder('stubborn'), {
    maxCrashes: MAX_CRASHES,
    stopTimeoutMs,
    abortGraceMs: 300,
  })
  try {
    const worker = await started(arena, 'stubborn')
    const payload = workOf('stubborn', { ms: 3000, stubborn: true })
    const { id } = await worker.ask({ ask: 'submit', type: 'slow', payload, options: { maxAttempts: 1 } })
    await startOf(arena, id, 1)
    const wrong = await stopInTime(worker, stopTimeoutMs, [70], around)
    const tasks = await arena.drain()
    const task = tasks.find((one) => one.id === id)
    if (task?.status !== 'succeeded' || task.releases !== 1)
      wrong.push(`P8 ${id}: ${task?.status} with ${task?.releases} releases`)
    return [...wrong, ...chargedFor(tasks, arena)]
  } finally {
    await arena.dispose()
  }
}

/** The handler takes two seconds and honours its signal; no worker lives that long, but the last. */
async function rolling(around: Around, restarts: number): Promise<string[]> {
  // short enough that the handler never ends within the drain, long enough that a disk may stall for half a second
  const stopTimeoutMs = 2000
  const random = createRandom(seedOf(around.seed, 'rolling'))
  const arena = createArena(around.lab, around.lab.folder('rolling'), {
    maxCrashes: MAX_CRASHES,
    stopTimeoutMs,
    abortGraceMs: 1000,
  })
  try {
    let worker = await started(arena, 'rolling')
    const { id } = await worker.ask({
      ask: 'submit',
      type: 'slow',
      payload: workOf('rolling', { ms: 2000 }),
      options: { maxAttempts: 1 },
    })
    const wrong: string[] = []
    for (let n = 0; n < restarts; n++) {
      await sleep(random.int(0, 250))
      wrong.push(...(await stopInTime(worker, stopTimeoutMs, [0], around)))
      worker = await started(arena, 'rolling')
    }
    await waitForFinal(worker, id)
    await arena.stop(worker)
    const tasks = await arena.drain()
    const task = tasks.find((one) => one.id === id)
    if (task?.status !== 'succeeded')
      wrong.push(`P8 ${id}: ${task?.status} (${task?.failureReason}) after ${restarts} restarts`)
    if ((task?.releases ?? 0) < restarts / 2)
      wrong.push(
        `it was in hand at only ${task?.releases} of ${restarts} restarts: the harness tested nothing`,
      )
    return [...wrong, ...chargedFor(tasks, arena)]
  } finally {
    await arena.dispose()
  }
}

async function stopInTime(
  worker: WorkerProcess,
  timeoutMs: number,
  codes: readonly number[],
  { lab, tookMs, exits }: Around,
): Promise<string[]> {
  const probe = createDiskProbe(lab.dir)
  const sentAt = worker.signal('SIGTERM')
  const late = sleep(timeoutMs + 10 * BEYOND_MS, null, { ref: false })
  const exit = await Promise.race([worker.exited, late])
  const took = (exit?.at ?? monotonicMs()) - sentAt
  const disk = `(the disk's longest fsync meanwhile: ${Math.round(probe.stop())} ms)`
  tookMs.push(took)
  const end = exit === null ? 'none' : String(exit.code ?? exit.signal)
  exits[end] = (exits[end] ?? 0) + 1
  const wrong: string[] = []
  if (took > timeoutMs + BEYOND_MS) {
    const allowed = `${timeoutMs} + ${BEYOND_MS}`
    wrong.push(`P8 ${worker.name}: ended ${Math.round(took)} ms after SIGTERM, allowed ${allowed} ${disk}`)
  }
  if (exit === null) worker.signal('SIGKILL')
  else if (!codes.includes(exit.code ?? -1)) {
    wrong.push(`P8 ${worker.name}: exit ${end}, expected ${codes.join(' or ')} ${disk}`)
  }
  return wrong
}

/** Nobody was killed, so nobody may have been charged; what handlers failed by themselves is in their payloads (check.ts counts it). */
function chargedFor(tasks: readonly Task[], arena: Arena): string[] {
  const crashed = tasks
    .filter(({ crashes }) => crashes > 0)
    .map(({ id, crashes }) => `P8 ${id}: charged ${crashes} crashes by a shutdown`)
  return [...crashed, ...checkHistory(arena, tasks, { maxCrashes: MAX_CRASHES })]
}
