/**
 * `kill -9`: one worker, two workers and a submitter on one file, named points in the code. After each round a worker without load runs what is left,
 * and everything that was written down is held against the queue (check.ts).
 */
import { tryCase, type Case, type Suite } from '../suite.ts'
import { killAtCheckpoints, killAtPoints, killInMigration, killInPrune, POINTS } from './kill-at-points.ts'
import { type Counted, killAtRandom } from './kill-at-random.ts'

/** Kills of one arena: enough to wear a file, few enough that a failure can be read. */
const PER_ARENA = 50

export const kill: Suite = async ({ seed, size, kills, lab, note }) => {
  const total = kills ?? (size === 'ci' ? 300 : 10_000)
  const share = (part: number) => Math.max(1, Math.round(total * part))
  const counts: Counted = { kills: 0, starts: 0, tasks: 0, runs: 0 }
  const around = { seed, lab, counts }
  const alone = rounds('one worker', share(0.25), (round, n) =>
    killAtRandom({ ...around, round, kills: n, workers: 1 }),
  )
  const shared = rounds('two workers and a submitter', share(0.46), (round, n) =>
    killAtRandom({ ...around, round, kills: n, workers: 2 }),
  )
  const points = POINTS.map((point) => ({
    name: `at ${point}`,
    trial: () => killAtPoints({ ...around, point, kills: share(0.2 / POINTS.length) }),
  }))
  const special = [
    { name: 'in a WAL checkpoint', trial: () => killAtCheckpoints({ ...around, kills: share(0.04) }) },
    { name: 'in a migration', trial: () => killInMigration({ ...around, kills: share(0.02) }) },
    { name: 'in a prune', trial: () => killInPrune({ ...around, kills: share(0.03) }) },
  ]
  // starting is most of a kill's time, and waiting most of a start's: three lanes keep two cores busy
  const lanes = [[...alone, ...special], shared, points]
  const cases = (await Promise.all(lanes.map((lane) => runLane(lane, note)))).flat()
  return { counts: { ...counts }, cases }
}

interface Trial {
  readonly name: string
  readonly trial: () => Promise<readonly string[]>
}

function rounds(
  name: string,
  kills: number,
  run: (round: number, kills: number) => Promise<readonly string[]>,
): Trial[] {
  const count = Math.ceil(kills / PER_ARENA)
  const each = Math.ceil(kills / count)
  return Array.from({ length: count }, (_, round) => ({
    name: `${name} (${round + 1})`,
    trial: () => run(round, each),
  }))
}

async function runLane(lane: readonly Trial[], note: (line: string) => void): Promise<Case[]> {
  const cases: Case[] = []
  for (const { name, trial } of lane) {
    const tried = await tryCase(name, trial)
    note(`kill, ${name}: ${tried.violations.length === 0 ? 'ok' : 'VIOLATED'}`)
    cases.push(tried)
  }
  return cases
}
