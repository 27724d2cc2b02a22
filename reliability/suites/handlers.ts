/** Every misdeed of a handler that is known here, mixed, beside a steady stream of canaries: each ends with its exact reason, and the canaries go on. */
import { createArena, type Arena } from '../arena.ts'
import { CANARY_EVERY_MS, judgeCanaries } from '../canaries.ts'
import { createRandom, seedOf, type Random } from '../random.ts'
import { tryCase, type Suite } from '../suite.ts'
import type { WorkerProcess } from '../worker-process.ts'
import type { Lab } from '../lab.ts'
import { started, waitForFinal } from './lease.ts'
import { endedAsExpected, MISDEEDS, type Misdeed } from './spin-thread.ts'
import { setTimeout as sleep } from 'node:timers/promises'

const ALONE_MS = 3000
/** One for each core. */
const AT_ONCE = 2

type Ending = Pick<Misdeed, 'reason' | 'code'>

const ENDINGS: Readonly<Record<string, Ending>> = {
  deaf: { reason: 'exhausted', code: 'timed_out' },
  text: { reason: 'exhausted', code: 'handler_failed' },
  nothing: { reason: 'exhausted', code: 'handler_failed' },
  trap: { reason: 'exhausted', code: 'handler_failed' },
  circular: { reason: 'exhausted', code: 'invalid_result' },
  bigint: { reason: 'exhausted', code: 'invalid_result' },
  huge: { reason: 'exhausted', code: 'result_too_large' },
}
const FLOOD: Ending = { reason: null, code: null }

const ALL: readonly Misdeed[] = [
  ...MISDEEDS,
  ...Object.entries({ ...ENDINGS, stdout: FLOOD, stderr: FLOOD }).map(([name, ending]) =>
    misdeed('thread', name, ending),
  ),
  ...Object.entries(ENDINGS).map(([name, ending]) => misdeed('inline', name, ending)),
]

function misdeed(host: string, name: string, ending: Ending): Misdeed {
  return { type: `${host}_${name}`, payload: {}, ...ending, endless: false }
}

export const handlers: Suite = async ({ seed, size, lab, note }) => {
  const random = createRandom(seedOf(seed, 'handlers'))
  const mixed = size === 'ci' ? shuffled(ALL, random) : Array.from({ length: 500 }, () => random.pick(ALL))
  const counts: Record<string, unknown> = { kinds: ALL.length, tasks: mixed.length }
  const tried = await tryCase(`${mixed.length} misdeeds, mixed`, () => mix(lab, mixed, counts))
  note(`handlers: ${tried.violations.length === 0 ? 'ok' : 'VIOLATED'}`)
  return { counts, cases: [tried] }
}

function shuffled<T>(items: readonly T[], random: Random): T[] {
  return items
    .map((item) => ({ item, at: random.next() }))
    .toSorted((a, b) => a.at - b.at)
    .map(({ item }) => item)
}

async function mix(
  lab: Lab,
  misdeeds: readonly Misdeed[],
  counts: Record<string, unknown>,
): Promise<string[]> {
  const arena = createArena(lab, lab.folder('handlers'), {
    plugins: ['spin', 'inline-spin', 'misdeed', 'inline-misdeed'],
    concurrency: 6,
  })
  try {
    const worker = await started(arena, 'handlers')
    await worker.ask({ ask: 'canary', everyMs: CANARY_EVERY_MS })
    await sleep(500)
    const alone = await canariesDuring(arena, () => sleep(ALONE_MS))
    const wrong: string[] = []
    const left = misdeeds.toReversed()
    const lane = async () => {
      for (let next = left.pop(); next; next = left.pop()) wrong.push(...(await commit(worker, next)))
    }
    const beside = await canariesDuring(arena, () => Promise.all(Array.from({ length: AT_ONCE }, lane)))
    Object.assign(counts, { canaries_per_second: [alone, beside] })
    wrong.push(...judgeCanaries(alone, beside))
    const { code } = await arena.stop(worker)
    if (code !== 0) wrong.push(`the worker ended with ${code}: ${arena.errors().slice(-500)}`)
    return wrong
  } finally {
    await arena.dispose()
  }
}

async function commit(worker: WorkerProcess, one: Misdeed): Promise<string[]> {
  const { id } = await worker.ask({ ask: 'submit', type: one.type, payload: one.payload, options: {} })
  await waitForFinal(worker, id)
  const task = await worker.ask({ ask: 'get', id })
  return task === null ? [`P1 ${one.type}: the task is gone`] : endedAsExpected(task, one)
}

/** Canaries a second while the work lasts, by the worker's own log. */
async function canariesDuring(arena: Arena, work: () => Promise<unknown>): Promise<number> {
  const from = Date.now()
  await work()
  const to = Date.now()
  const ended = arena.log().filter(({ event, task_type: type, timestamp }) => {
    const at = Date.parse(String(timestamp))
    return event === 'task_processed' && type === 'canary' && at >= from && at < to
  })
  return Math.round((ended.length / (to - from)) * 10_000) / 10
}
