import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Task } from '@mcp-worker/runtime'
import { createArena, type Arena } from '../arena.ts'
import { CANARY_EVERY_MS, judgeCanaries } from '../canaries.ts'
import type { Lab } from '../lab.ts'
import { monotonicMs } from '../monotonic.ts'
import type { WorkerProcess } from '../worker-process.ts'
import { started, waitForFinal } from './lease.ts'

export interface Misdeed {
  readonly type: string
  readonly payload: { readonly mebibytes?: number }
  /** How each such task ends: the failure reason (null: it succeeds) and the error's code. */
  readonly reason: string | null
  readonly code: string | null
  /** It computes for ever: its thread must be killed. */
  readonly endless: boolean
}

/** A thread that died is charged a crash, and a task has three of them. */
export const MISDEEDS: readonly Misdeed[] = [
  { type: 'spin_loop', payload: {}, reason: 'exhausted', code: 'timed_out', endless: true },
  { type: 'spin_regex', payload: {}, reason: 'exhausted', code: 'timed_out', endless: true },
  { type: 'spin_heap', payload: {}, reason: 'crashed', code: 'host_crashed', endless: false },
  { type: 'spin_buffers', payload: { mebibytes: 256 }, reason: null, code: null, endless: false },
  { type: 'spin_exit', payload: {}, reason: 'crashed', code: 'host_crashed', endless: false },
  { type: 'spin_rejection', payload: {}, reason: 'crashed', code: 'host_crashed', endless: false },
]

const WINDOW_MS = 3000
/** The promise for a time limit of 2 s. */
const KILLED_WITHIN_MS = 2500
const MISDEEDS_AT_ONCE = 2

/** Canaries before; then the same with misdeeds beside them, in the same process. */
export async function misbehave(
  lab: Lab,
  misdeed: Misdeed,
  figures: Record<string, unknown>[],
): Promise<string[]> {
  const arena = createArena(lab, lab.folder(misdeed.type), {
    plugins: ['spin', 'inline-spin'],
    concurrency: 4,
  })
  try {
    const worker = await started(arena, misdeed.type)
    await worker.ask({ ask: 'canary', everyMs: CANARY_EVERY_MS })
    await sleep(500)
    const before = await canaries(arena, WINDOW_MS)
    const ids: string[] = []
    for (let n = 0; n < MISDEEDS_AT_ONCE; n++) {
      const { id } = await worker.ask({
        ask: 'submit',
        type: misdeed.type,
        payload: misdeed.payload,
        options: {},
      })
      ids.push(id)
    }
    const during = await canaries(arena, WINDOW_MS)
    const rss = await worker.ask({ ask: 'rss' })
    for (const id of ids) await waitForFinal(worker, id)
    const tasks = await Promise.all(ids.map((id) => worker.ask({ ask: 'get', id })))
    const wrong = tasks.flatMap((task) =>
      task === null ? ['P1 the task is gone'] : endedAsExpected(task, misdeed),
    )
    if (misdeed.endless) wrong.push(...killedInTime(arena, ids), ...(await quiet(worker)))
    wrong.push(...judgeCanaries(before.rate, during.rate))
    figures.push({
      misdeed: misdeed.type,
      canaries_per_second: [before.rate, during.rate],
      longest_gap_ms: [before.gapMs, during.gapMs],
      rss_mib: Math.round(rss / 2 ** 20),
    })
    const { code } = await arena.stop(worker)
    if (code !== 0) wrong.push(`the worker ended with ${code}: ${arena.errors().slice(-500)}`)
    return wrong
  } finally {
    await arena.dispose()
  }
}

/** Canaries that ended within the next `forMs`. */
async function canaries(
  arena: Arena,
  forMs: number,
): Promise<{ readonly rate: number; readonly gapMs: number }> {
  const from = Date.now()
  await sleep(forMs)
  const times = arena
    .log()
    .filter(({ event, task_type: type }) => event === 'task_processed' && type === 'canary')
    .map(({ timestamp }) => Date.parse(String(timestamp)))
    .filter((time) => time >= from && time < from + forMs)
  const gaps = times.map((time, index) => time - (times[index - 1] ?? from))
  return {
    rate: Math.round((times.length / forMs) * 10_000) / 10,
    gapMs: Math.max(forMs - (times.length > 0 ? forMs : 0), ...gaps),
  }
}

export function endedAsExpected(task: Task, { reason, code }: Misdeed): string[] {
  const got = { reason: task.failureReason, code: task.error?.code ?? null }
  const fits =
    got.reason === reason && got.code === code && task.status === (reason === null ? 'succeeded' : 'failed')
  return fits
    ? []
    : [
        `P10 ${task.type} ${task.id}: expected ${reason} with ${code}, got ${task.status} ${JSON.stringify(got)} ${task.error?.message ?? ''}`,
      ]
}

/** From the handler's first line to the settled end, by the worker's own log. */
function killedInTime(arena: Arena, ids: readonly string[]): string[] {
  const wallMinusMonotonic = Date.now() - monotonicMs()
  return ids.flatMap((id) => {
    const start = arena.ledger().find((line) => line.e === 'start' && line.id === id)
    const end = arena.log().find(({ event, task_id: task }) => event === 'task_processed' && task === id)
    if (!start || !end) return [`P10 ${id}: no line of its start or its end`]
    const tookMs = Date.parse(String(end['timestamp'])) - (start.t + wallMinusMonotonic)
    return tookMs <= KILLED_WITHIN_MS
      ? []
      : [`P10 ${id}: its thread ended ${Math.round(tookMs)} ms after its start, promised ${KILLED_WITHIN_MS}`]
  })
}

/** Nothing computes any more: the process takes less than half of one core. (Time on the core, so that other programs do not matter.) */
async function quiet(worker: WorkerProcess): Promise<string[]> {
  const before = cpuMs(worker.pid)
  await sleep(1000)
  const share = (cpuMs(worker.pid) - before) / 1000
  return share < 0.5 ? [] : [`P10 after the kill the process still takes ${share.toFixed(2)} of a core`]
}

/** User time of a process in milliseconds (proc(5): utime in clock ticks of 10 ms). */
function cpuMs(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[11]) * 10
}
