import { setTimeout as sleep } from 'node:timers/promises'
import { createArena, type Arena } from '../arena.ts'
import { checkHistory } from '../check.ts'
import type { Lab } from '../lab.ts'
import type { ProgramConfig } from '../program-config.ts'
import { createRandom, seedOf, type Random } from '../random.ts'
import type { WorkerProcess } from '../worker-process.ts'

/** Figures that all parts of the suite add to. */
export interface Counted {
  kills: number
  /** Processes started. */
  starts: number
  tasks: number
  runs: number
}

export interface KillAround {
  readonly seed: number
  readonly lab: Lab
  readonly counts: Counted
}

const MAX_CRASHES = 3

/** Kills at any moment of load; of two workers and a submitter each in its own rhythm. */
export async function killAtRandom(
  options: KillAround & { round: number; kills: number; workers: 1 | 2 },
): Promise<string[]> {
  const { seed, lab, counts, round, kills, workers } = options
  const random = createRandom(seedOf(seed, `random ${workers} ${round}`))
  const arena = createArena(lab, lab.folder(`kill-${workers}`), { maxCrashes: MAX_CRASHES })
  try {
    const left = { kills }
    const lane = (name: string, config: Partial<ProgramConfig>) =>
      killAgainAndAgain(arena, name, config, left, createRandom(random.int(0, 2 ** 31)))
    const lanes = [lane('worker-a', {})]
    if (workers === 2) lanes.push(lane('worker-b', {}), lane('submitter', { role: 'api' }))
    const ends = await Promise.all(lanes)
    return [...ends.flat(), ...(await finish(arena, counts, MAX_CRASHES))]
  } finally {
    await arena.dispose()
  }
}

async function killAgainAndAgain(
  arena: Arena,
  name: string,
  config: Partial<ProgramConfig>,
  left: { kills: number },
  random: Random,
): Promise<string[]> {
  const wrong: string[] = []
  for (; left.kills > 0;) {
    left.kills--
    const load = { seed: random.int(0, 2 ** 31), gapMs: random.int(2, 12), mostWaiting: 150 }
    const worker = arena.spawn(name, { ...config, load })
    await life(worker, random)
    if (!(await endedByItself(worker, arena, wrong))) await arena.kill(worker)
  }
  return wrong
}

/** Most lives are cut while there is load, some while the worker starts. */
async function life(worker: WorkerProcess, random: Random): Promise<void> {
  if (random.chance(0.15)) return sleep(random.int(20, 400))
  const lifeMs = random.int(30, 500)
  if ((await worker.ready) !== null) await sleep(lifeMs)
}

/** A worker that nobody killed must not have ended. */
export async function endedByItself(worker: WorkerProcess, arena: Arena, wrong: string[]): Promise<boolean> {
  const exit = await Promise.race([worker.exited, sleep(0, null)])
  if (exit === null) return false
  wrong.push(
    `${worker.name} ended by itself: ${JSON.stringify(exit)} ${JSON.stringify(worker.refusal())} ${arena.errors().slice(-2000)}`,
  )
  return true
}

/** Runs what is left and checks everything. */
export async function finish(
  arena: Arena,
  counts: Counted,
  maxCrashes: number,
  pruned = false,
): Promise<string[]> {
  const tasks = await arena.drain({ maxCrashes })
  const lines = arena.ledger()
  counts.kills += arena.kills.length
  counts.tasks += tasks.length
  counts.runs += lines.filter(({ e }) => e === 'start').length
  counts.starts += lines.filter(({ e }) => e === 'boot').length
  const found = checkHistory(arena, tasks, { maxCrashes, pruned })
  if (tasks.length === 0) found.push('nothing was accepted in the whole round: the harness tested nothing')
  return found.map((violation) => `${violation} [${arena.dir}]`)
}
