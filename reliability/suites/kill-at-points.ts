import { statSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { createArena, type Arena } from '../arena.ts'
import { createRandom, seedOf, type Random } from '../random.ts'
import type { WorkerProcess } from '../worker-process.ts'
import { endedByItself, finish, type KillAround } from './kill-at-random.ts'

/** Where crash-point.ts is called in a worker under load. */
export const POINTS = [
  'after_insert',
  'before_commit',
  'after_commit',
  'after_claim',
  'before_settle',
  'after_settle',
] as const

const MAX_CRASHES = 3
/** A process that has not come to its point by then is killed where it is. */
const LONGEST_LIFE_MS = 4000

interface PointOptions extends KillAround {
  readonly kills: number
}

/** The process kills itself at the n-th coming to the point, in whichever thread. */
export async function killAtPoints({
  seed,
  lab,
  counts,
  point,
  kills,
}: PointOptions & { point: string }): Promise<string[]> {
  const random = createRandom(seedOf(seed, point))
  const arena = createArena(lab, lab.folder(point), { maxCrashes: MAX_CRASHES })
  try {
    const wrong: string[] = []
    for (let n = 0; n < kills; n++) {
      // held there for a moment, so that whatever was told too early is written down
      // not the first one at the very first commit, or a short round has accepted nothing
      const environment = {
        CRASH_AT: `${point}:${n === 0 ? 20 : random.int(1, 40)}`,
        CRASH_HOLD_MS: random.chance(0.5) ? '25' : '0',
      }
      await untilItDies(arena, arena.spawn(point, { load: loadOf(random) }, environment))
    }
    if (!arena.kills.some(({ how }) => how === point))
      wrong.push(`no process came to ${point}: the harness tested nothing`)
    return [...wrong, ...(await finish(arena, counts, MAX_CRASHES))]
  } finally {
    await arena.dispose()
  }
}

/** With a retention of a few tasks something is pruned every second; killed as a prune begins, and at its commit. */
export async function killInPrune({ seed, lab, counts, kills }: PointOptions): Promise<string[]> {
  const random = createRandom(seedOf(seed, 'in_prune'))
  const arena = createArena(lab, lab.folder('in_prune'), { maxCrashes: MAX_CRASHES, keepFinal: 20 })
  try {
    for (let n = 0; n < kills; n++) {
      const environment = { CRASH_AT: `in_prune:${random.int(1, 3)}` }
      await untilItDies(arena, arena.spawn('in_prune', { load: loadOf(random) }, environment))
    }
    const wrong = arena.kills.some(({ how }) => how === 'in_prune')
      ? []
      : ['no process came to in_prune: the harness tested nothing']
    return [...wrong, ...(await finish(arena, counts, MAX_CRASHES, true))]
  } finally {
    await arena.dispose()
  }
}

/** Each kill needs a new file; its second start must find a whole schema. */
export async function killInMigration({ seed, lab, counts, kills }: PointOptions): Promise<string[]> {
  const random = createRandom(seedOf(seed, 'in_migration'))
  const wrong: string[] = []
  for (let n = 0; n < kills; n++) {
    const arena = createArena(lab, lab.folder('in_migration'), { maxCrashes: MAX_CRASHES })
    try {
      const worker = arena.spawn('in_migration', { load: loadOf(random) }, { CRASH_AT: 'in_migration:1' })
      const { signal } = await worker.exited
      if (signal !== 'SIGKILL') wrong.push(`no process came to in_migration: it ended with ${signal}`)
      const again = arena.spawn('after_migration', { load: loadOf(random) })
      if ((await again.ready) !== null) await sleep(150)
      if (!(await endedByItself(again, arena, wrong))) await arena.kill(again)
      wrong.push(...(await finish(arena, counts, MAX_CRASHES)))
    } finally {
      await arena.dispose()
    }
  }
  return wrong
}

/** SQLite writes to the main file in WAL mode only while it checkpoints: killed when that file is seen to change. */
export async function killAtCheckpoints({ seed, lab, counts, kills }: PointOptions): Promise<string[]> {
  const random = createRandom(seedOf(seed, 'checkpoint'))
  const arena = createArena(lab, lab.folder('checkpoint'), { maxCrashes: MAX_CRASHES })
  try {
    const wrong: string[] = []
    let inCheckpoint = 0
    for (let n = 0; n < kills; n++) {
      const worker = arena.spawn('checkpoint', {
        load: { ...loadOf(random), mostWaiting: 60, textLength: 60_000 },
      })
      if ((await worker.ready) !== null && (await mainFileChanges(arena.database, 15_000))) inCheckpoint++
      if (!(await endedByItself(worker, arena, wrong))) await arena.kill(worker)
    }
    if (inCheckpoint === 0) wrong.push('no checkpoint was seen: the harness tested nothing')
    return [...wrong, ...(await finish(arena, counts, MAX_CRASHES))]
  } finally {
    await arena.dispose()
  }
}

async function mainFileChanges(database: string, withinMs: number): Promise<boolean> {
  const before = statSync(database, { bigint: true }).mtimeNs
  for (const end = performance.now() + withinMs; performance.now() < end; await sleep(1)) {
    if (statSync(database, { bigint: true }).mtimeNs !== before) return true
  }
  return false
}

async function untilItDies(arena: Arena, worker: WorkerProcess): Promise<void> {
  const late = await Promise.race([worker.exited.then(() => false), sleep(LONGEST_LIFE_MS, true)])
  if (late) await arena.kill(worker)
}

function loadOf(random: Random) {
  return { seed: random.int(0, 2 ** 31), gapMs: 3, mostWaiting: 120 }
}
