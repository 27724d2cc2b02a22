/** Hours of mixed load with a kill every 30 seconds: the memory of who lives on stays flat, the log stays small, and nothing is lost. */
import { statSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { createArena, type Arena } from '../arena.ts'
import { createRandom, seedOf } from '../random.ts'
import { tryCase, type Suite } from '../suite.ts'
import { endedByItself, finish } from './kill-at-random.ts'
import { started } from './lease.ts'
import type { Lab } from '../lab.ts'
import type { Counted } from './kill-at-random.ts'

const KILL_EVERY_MS = 30_000
const SAMPLE_EVERY_MS = 2000
const MAX_CRASHES = 3
const MOST_LOG_MIB = 64
/** Final tasks that are kept, so that the file stays as small as it would in days. */
const KEEP = 2000
/** What the memory may grow by between the second and the last quarter. */
const GROWTH = { share: 0.1, mebibytes: 16 }

interface Sample {
  readonly rssMib: number
  readonly logMib: number
}

export const soak: Suite = async ({ seed, size, minutes, lab, note }) => {
  const forMinutes = minutes ?? (size === 'ci' ? 3 : 120)
  const counts: Counted = { kills: 0, starts: 0, tasks: 0, runs: 0 }
  const figures: Record<string, unknown> = { minutes: forMinutes }
  const tried = await tryCase(`${forMinutes} minutes of mixed load`, () =>
    live(lab, { seed, forMs: forMinutes * 60_000, counts, figures, note }),
  )
  note(`soak: ${tried.violations.length === 0 ? 'ok' : 'VIOLATED'}`)
  return { counts: { ...figures, ...counts }, cases: [tried] }
}

interface Life {
  readonly seed: number
  readonly forMs: number
  readonly counts: Counted
  readonly figures: Record<string, unknown>
  readonly note: (line: string) => void
}

async function live(lab: Lab, { seed, forMs, counts, figures, note }: Life): Promise<string[]> {
  const random = createRandom(seedOf(seed, 'soak'))
  const config = { maxCrashes: MAX_CRASHES, keepFinal: KEEP }
  const arena = createArena(lab, lab.folder('soak'), config)
  const load = () => ({ seed: random.int(0, 2 ** 31), gapMs: 40, mostWaiting: 100 })
  try {
    const steady = await started(arena, 'steady', { load: load() })
    let mortal = await started(arena, 'mortal', { load: load() })
    const samples: Sample[] = []
    const wrong: string[] = []
    const end = performance.now() + forMs
    let killAt = performance.now() + KILL_EVERY_MS
    while (performance.now() < end) {
      await sleep(SAMPLE_EVERY_MS)
      if (await endedByItself(steady, arena, wrong)) return wrong
      samples.push({ rssMib: (await steady.ask({ ask: 'rss' })) / 2 ** 20, logMib: logMib(arena) })
      if (performance.now() < killAt) continue
      killAt += KILL_EVERY_MS
      if (!(await endedByItself(mortal, arena, wrong))) await arena.kill(mortal)
      mortal = await started(arena, 'mortal', { load: load() })
      note(
        `soak: ${Math.round((end - performance.now()) / 60_000)} minutes left, ${JSON.stringify(samples.at(-1))}`,
      )
    }
    await arena.stop(mortal)
    await arena.stop(steady)
    wrong.push(...isFlat(samples, figures))
    return [...wrong, ...(await finish(arena, counts, MAX_CRASHES, true))]
  } finally {
    await arena.dispose()
  }
}

function logMib({ database }: Arena): number {
  return (statSync(`${database}-wal`, { throwIfNoEntry: false })?.size ?? 0) / 2 ** 20
}

/** The first quarter is warming up. */
function isFlat(samples: readonly Sample[], figures: Record<string, unknown>): string[] {
  const quarter = (n: number) =>
    median(
      samples.slice((n * samples.length) / 4, ((n + 1) * samples.length) / 4).map(({ rssMib }) => rssMib),
    )
  const [early, late] = [quarter(1), quarter(3)]
  const mostLog = samples.reduce((most, { logMib: size }) => Math.max(most, size), 0)
  Object.assign(figures, {
    rss_mib: [Math.round(early), Math.round(late)],
    most_wal_mib: Math.round(mostLog * 10) / 10,
  })
  const wrong: string[] = []
  if (late > early * (1 + GROWTH.share) + GROWTH.mebibytes)
    wrong.push(`P9 the memory grew from ${Math.round(early)} to ${Math.round(late)} MiB`)
  if (mostLog > MOST_LOG_MIB)
    wrong.push(`P9 the log grew to ${Math.round(mostLog)} MiB, promised ${MOST_LOG_MIB}`)
  return wrong
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0
}
