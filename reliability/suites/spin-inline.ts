import { createArena, type Arena } from '../arena.ts'
import { checkHistory } from '../check.ts'
import type { Lab } from '../lab.ts'
import { workOf } from '../work.ts'
import type { WorkerProcess } from '../worker-process.ts'
import { freezeOutside, started, startOf, waitForFinal } from './lease.ts'

const ABORT_GRACE_MS = 1000
const MAX_CRASHES = 3
/** The watchdog settles, then ends the process, and the parent hears of it a moment later: what runs again in between runs rightly. */
const SETTLED_BEFORE_END_MS = 250

/** Neighbours of the spinner: begun `before` it, or claimed in one answer with it and never begun (`beside`). */
export interface Neighbours {
  readonly before: number
  readonly beside: number
  /** Shorter than the spin: only the keeper's renewals hold it. Longer: only the watchdog's release gives it back. */
  readonly leaseMs: number
}

/**
 * Of two workers one is held (SIGSTOP) until the other spins, so that it is the other's; from then on it would take whatever is not held by a
 * lease.
 */
export async function blockInline(
  lab: Lab,
  neighbours: Neighbours,
  figures: Record<string, unknown>[],
): Promise<string[]> {
  const config = {
    plugins: ['inline-spin'],
    leaseMs: neighbours.leaseMs,
    abortGraceMs: ABORT_GRACE_MS,
    maxCrashes: MAX_CRASHES,
  } as const
  const arena = createArena(lab, lab.folder('spin-inline'), config)
  try {
    const second = await started(arena, 'second')
    await freezeOutside(arena, second)
    const first = await started(arena, 'first')
    const { spinner, others } = await spinBeside(arena, first, neighbours)
    const spinning = await startOf(arena, spinner, 1)
    second.signal('SIGCONT')
    const exit = await first.exited
    const spunMs = Math.round(exit.at - spinning.t)
    figures.push({ misdeed: 'inline loop', ...neighbours, ended_after_ms: spunMs })
    const wrong =
      exit.signal === 'SIGKILL' ? [] : [`P10 the blocked process ended with ${JSON.stringify(exit)}`]
    for (const id of [spinner, ...others]) await waitForFinal(second, id)
    await arena.stop(second)
    const killed = new Map([[first.pid, exit.at - SETTLED_BEFORE_END_MS]])
    return [...wrong, ...(await verdict(arena, { spinner, others, killed, second, endedAt: exit.at }))]
  } finally {
    await arena.dispose()
  }
}

function neighbour(id: string, ms: number) {
  return { type: 'slow', payload: workOf(id, { ms }), maxAttempts: 1, id }
}

async function spinBeside(arena: Arena, worker: WorkerProcess, { before, beside }: Neighbours) {
  const begun = Array.from({ length: before }, (_, n) => neighbour(`before-${n}`, 4000))
  const waiting = Array.from({ length: beside }, (_, n) => neighbour(`beside-${n}`, 50))
  if (begun.length > 0) await worker.ask({ ask: 'submitMany', submissions: begun })
  for (const { id } of begun) await startOf(arena, id, 1)
  // the spinner first, by its priority; the answer never comes, for the loop is blocked by then
  const spinner = { type: 'spin_inline', payload: {}, priority: 5, id: 'spinner' }
  worker.ask({ ask: 'submitMany', submissions: [spinner, ...waiting] }).catch(() => {})
  return { spinner: spinner.id, others: [...begun, ...waiting].map(({ id }) => id) }
}

interface Facts {
  readonly spinner: string
  readonly others: readonly string[]
  readonly killed: ReadonlyMap<number, number>
  readonly second: WorkerProcess
  readonly endedAt: number
}

async function verdict(arena: Arena, { spinner, others, killed, second, endedAt }: Facts): Promise<string[]> {
  const wrong: string[] = []
  const mine = new Set([spinner, ...others])
  for (const line of arena.ledger()) {
    if (line.e !== 'start' || line.pid !== second.pid || !mine.has(line.id)) continue
    if (line.t < endedAt - SETTLED_BEFORE_END_MS)
      wrong.push(`P4 ${line.id}: delivered again ${Math.round(endedAt - line.t)} ms before its worker ended`)
  }
  if (!arena.log().some(({ event, task_id: id }) => event === 'event_loop_blocked' && id === spinner)) {
    wrong.push('P10 no line event_loop_blocked with the task_id of the spinner')
  }
  const tasks = await arena.drain()
  for (const task of tasks) {
    const { id, attempts, crashes, status } = task
    if (others.includes(id) && (status !== 'succeeded' || attempts + crashes > 0)) {
      wrong.push(
        `P10 ${id}: a neighbour ended ${status} (${task.failureReason}), charged ${attempts} attempts and ${crashes} crashes`,
      )
    }
    if (id === spinner && (attempts !== 1 || crashes !== 0 || task.error?.code !== 'timed_out')) {
      wrong.push(`P10 the spinner: ${attempts} attempts, ${crashes} crashes, ${JSON.stringify(task.error)}`)
    }
  }
  return [...wrong, ...checkHistory(arena, tasks, { maxCrashes: MAX_CRASHES, beliefEnds: killed })]
}
