/** The wall clock steps by hours and days, back and forth (libfaketime), while tasks run: nobody loses a lease, nothing runs twice, delays go by wall time. */
import { globSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Task } from '@mcp-worker/runtime'
import { createArena, type Arena } from '../arena.ts'
import { checkHistory } from '../check.ts'
import type { Lab } from '../lab.ts'
import { createRandom, seedOf } from '../random.ts'
import { tryCase, type Case, type Suite } from '../suite.ts'
import { workOf } from '../work.ts'
import type { WorkerProcess } from '../worker-process.ts'
import { started, startOf, waitForFinal } from './lease.ts'

const MAX_CRASHES = 3
const LEASE_MS = 3000
const LONG_MS = 4000
const HOUR = 3600
const DAY = 24 * HOUR
/** Seconds that the wall clock is wrong by. */
const STEPS = [HOUR, -HOUR, DAY, -DAY] as const
/** Later than all of them: what was put off on the latest day is due. */
const AFTER_ALL = 3 * DAY

export const clock: Suite = async ({ seed, size, lab, note }) => {
  const rounds = size === 'ci' ? 2 : 20
  const counts = { steps: 0, tasks: 0, long_runs: 0 }
  const cases: Case[] = []
  const run = async (name: string, trial: () => Promise<string[]>) => {
    const tried = await tryCase(name, trial)
    note(`clock, ${name}: ${tried.violations.length === 0 ? 'ok' : 'VIOLATED'}`)
    cases.push(tried)
  }
  for (let round = 1; round <= rounds; round++) {
    await run(`steps under load (${round})`, () =>
      inArena(lab, (...at) => stepUnderLoad(...at, seed + round, counts)),
    )
    await run(`delays go by wall time (${round})`, () => inArena(lab, delays))
  }
  return { counts, cases }
}

export function stepOnce(lab: Lab, seed: number): Promise<string[]> {
  return inArena(lab, (...at) => stepUnderLoad(...at, seed, { steps: 0, tasks: 0, long_runs: 0 }))
}

interface WallClock {
  /** For processes that are to live by it. CLOCK_MONOTONIC is left alone. */
  readonly environment: Readonly<Record<string, string>>
  /** All of them see it at their next look. */
  set(seconds: number): void
}

function createWallClock(folder: string): WallClock {
  const [library] = globSync('/usr/lib/*/faketime/libfaketimeMT.so.1')
  if (library === undefined) throw new Error('expected libfaketime (Debian: apt-get install libfaketime)')
  const file = join(folder, 'wall-clock')
  const set = (seconds: number) => {
    writeFileSync(`${file}.new`, `${seconds < 0 ? '' : '+'}${seconds}\n`)
    renameSync(`${file}.new`, file)
  }
  set(0)
  return {
    set,
    environment: {
      LD_PRELOAD: library,
      FAKETIME_TIMESTAMP_FILE: file,
      FAKETIME_NO_CACHE: '1',
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
      NO_FAKE_STAT: '1',
    },
  }
}

async function inArena(
  lab: Lab,
  trial: (arena: Arena, wall: WallClock) => Promise<string[]>,
): Promise<string[]> {
  const arena = createArena(lab, lab.folder('clock'), { leaseMs: LEASE_MS, maxCrashes: MAX_CRASHES })
  try {
    return await trial(arena, createWallClock(arena.dir))
  } finally {
    await arena.dispose()
  }
}

interface Counts {
  steps: number
  tasks: number
  long_runs: number
}

/** Two workers on one file, as on one machine: the clock is the same for both. */
async function stepUnderLoad(arena: Arena, wall: WallClock, seed: number, counts: Counts): Promise<string[]> {
  const random = createRandom(seedOf(seed, 'clock'))
  const load = () => ({ seed: random.int(0, 2 ** 31), gapMs: 15, mostWaiting: 100, mayBeBusy: true })
  const workers = [
    await started(arena, 'first', { load: load() }, wall.environment),
    await started(arena, 'second', { load: load() }, wall.environment),
  ]
  const long: string[] = []
  for (let n = 0; n < 6; n++) {
    long.push(await submitLong(workers[n % 2]!, n))
    wall.set(random.pick(STEPS))
    await sleep(random.int(200, 500))
    wall.set(0)
    await sleep(random.int(50, 300))
    counts.steps += 2
  }
  for (const worker of workers) await arena.stop(worker)
  wall.set(AFTER_ALL)
  const tasks = await arena.drain({}, 60_000, wall.environment)
  counts.tasks += tasks.length
  counts.long_runs += long.length
  const found = leasesHeld(arena, tasks, long)
  // by the day that was added, what had succeeded is older than it is kept
  return [...found, ...checkHistory(arena, tasks, { maxCrashes: MAX_CRASHES, pruned: true })]
}

async function submitLong(worker: WorkerProcess, n: number): Promise<string> {
  const payload = workOf(`long ${n}`, { ms: LONG_MS, stubborn: true })
  const options = { id: `long-${n}`, priority: 100, maxAttempts: 1 }
  const submit = () => worker.ask({ ask: 'submit', type: 'slow', payload, options })
  try {
    return (await submit()).id
  } catch (error) {
    // a short lease allows no long wait for the neighbour's write lock: nothing was done then, and the contract says to try again
    if (!String(error).includes('store_unavailable')) throw error
    return (await submit()).id
  }
}

/** The log's own timestamps show that the clock stepped. */
function leasesHeld(arena: Arena, tasks: readonly Task[], long: readonly string[]): string[] {
  const log = arena.log()
  const times = log.map(({ timestamp }) => Date.parse(String(timestamp)))
  const spanMs = times.reduce((a, b) => Math.max(a, b)) - times.reduce((a, b) => Math.min(a, b))
  const wrong = spanMs < HOUR * 1000 ? ['the clock did not step: the harness tested nothing'] : []
  for (const { event, task_id: id } of log)
    if (event === 'task_lost' || event === 'tasks_recovered') wrong.push(`P4 ${String(id)}: ${event}`)
  for (const { id, crashes } of tasks)
    if (crashes > 0) wrong.push(`P4 ${id}: charged ${crashes} crashes, and nobody died`)
  const runs = arena.ledger().filter((line) => line.e === 'start')
  for (const id of long) {
    const deliveries = new Set(runs.filter((run) => run.id === id).map(({ d }) => d)).size
    const released = tasks.find((task) => task.id === id)?.releases ?? 0
    if (deliveries > 1 + released) wrong.push(`P4 ${id}: delivered ${deliveries} times`)
  }
  return wrong
}

/** What is due in half an hour starts when the wall clock says so, and what is due later does not. */
async function delays(arena: Arena, wall: WallClock): Promise<string[]> {
  const worker = await started(arena, 'worker', {}, wall.environment)
  const submit = async (id: string, delay: '30m' | '3h' | 0) => {
    await worker.ask({ ask: 'submit', type: 'quick', payload: workOf(id), options: { id, delay } })
  }
  const hasBegun = (id: string) => arena.ledger().some((line) => line.e === 'start' && line.id === id)
  await submit('soon', '30m')
  await submit('later', '3h')
  const wrong: string[] = []
  wall.set(-DAY)
  // also on another day what is to run now runs now
  await submit('now', 0)
  await startOf(arena, 'now', 1)
  if (hasBegun('soon')) wrong.push('a delay of 30 minutes was over before its time')
  wall.set(HOUR)
  await startOf(arena, 'soon', 1)
  // in order: whatever else was due has been claimed with it
  await waitForFinal(worker, 'soon')
  if (hasBegun('later')) wrong.push('a delay of three hours was over after one')
  wall.set(DAY)
  await startOf(arena, 'later', 1)
  await arena.stop(worker)
  return [
    ...wrong,
    ...checkHistory(arena, await arena.drain({}, 60_000, wall.environment), { maxCrashes: MAX_CRASHES }),
  ]
}
