import { isFinal, type Task } from '@mcp-worker/runtime'
import type { Arena, Killed } from './arena.ts'
import { checkFile } from './check-file.ts'
import type { LedgerLine } from './ledger.ts'
import { LEDGER_TYPES, sumOf, type Work } from './work.ts'

/** What was found wrong. Each line says which promise (docs: P1 … P7), which task, and what. */
export type Violations = string[]

export interface CheckOptions {
  readonly maxCrashes: number
  /** Final tasks were pruned: an acknowledged one may be gone, if a run of it ended well. */
  readonly pruned?: boolean
  /** When processes that did not die stopped believing in their leases (frozen ones), by pid. */
  readonly beliefEnds?: ReadonlyMap<number, number>
}

interface Run {
  readonly d: number
  readonly pid: number
  readonly start: number
  readonly kept: number
  /** Until when it believed to hold the lease; null where nobody knows. */
  readonly end: number | null
  readonly hash: string | null
}

type LineOf<E extends LedgerLine['e']> = Extract<LedgerLine, { e: E }>

/** Holds what the processes wrote down against what the queue says in the end. */
export function checkHistory(arena: Arena, tasks: readonly Task[], options: CheckOptions): Violations {
  const lines = arena.ledger()
  const of = <E extends LedgerLine['e']>(e: E) => lines.filter((line): line is LineOf<E> => line.e === e)
  const runs = runsOf(of('start'), of('end'), arena.kills, options.beliefEnds)
  const byId = new Map(tasks.map((task) => [task.id, task]))
  const found: Violations = of('wrong').map(
    ({ id, d, what }) => `P1 ${id}: delivery ${d} was given a changed ${what}`,
  )
  if (byId.size !== tasks.length) found.push('P2 a task is listed twice')
  checkAcknowledged(of('ack'), byId, runs, options, found)
  checkCancels(of('cancelling'), of('cancel'), byId, runs, found)
  checkCheckpoints(of('kept'), runs, found)
  checkFinalLines(arena, found)
  const errors = errorsIn(arena)
  for (const task of tasks.filter(isLedgerTask))
    checkTask(task, { runs: runs.get(task.id) ?? [], errors: errors.get(task.id) ?? [] }, options, found)
  for (const [id, ofTask] of runs) checkOverlap(id, ofTask, found)
  return [...found, ...checkFile(arena.database)]
}

/** What the workers' logs say of attempts that failed, by task. */
function errorsIn(arena: Arena): Map<string, string[]> {
  const errors = new Map<string, string[]>()
  for (const { event, task_id: id, error_code: code, error } of arena.log()) {
    if (event !== 'task_processed' || typeof code !== 'string') continue
    errors.set(String(id), [...(errors.get(String(id)) ?? []), `${code}: ${String(error)}`])
  }
  return errors
}

/** Tasks of other plugins leave no lines. */
function isLedgerTask({ type }: Task): boolean {
  return LEDGER_TYPES.some((known) => known === type)
}

function runsOf(
  starts: readonly LineOf<'start'>[],
  ends: readonly LineOf<'end'>[],
  kills: readonly Killed[],
  beliefEnds: ReadonlyMap<number, number> = new Map(),
): Map<string, Run[]> {
  const diedAt = new Map([...kills.map(({ pid, at }) => [pid, at] as const), ...beliefEnds])
  const endings = new Map(ends.map((end) => [`${end.id} ${end.d} ${end.pid}`, end]))
  const runs = new Map<string, Run[]>()
  for (const { id, d, pid, t, kept } of starts.toSorted((a, b) => a.t - b.t)) {
    const ending = endings.get(`${id} ${d} ${pid}`)
    const times = [ending?.t, diedAt.get(pid)].filter((time) => time !== undefined)
    const run = {
      d,
      pid,
      start: t,
      kept,
      end: times.length === 0 ? null : Math.min(...times),
      hash: ending?.hash ?? null,
    }
    runs.set(id, [...(runs.get(id) ?? []), run])
  }
  return runs
}

// ── P1, P6: what was acknowledged ─────────────────────────────────────────────────────────────────────────────────────

function checkAcknowledged(
  acks: readonly LineOf<'ack'>[],
  byId: ReadonlyMap<string, Task>,
  runs: ReadonlyMap<string, readonly Run[]>,
  { pruned = false }: CheckOptions,
  found: Violations,
): void {
  const named = new Map<string, string>()
  for (const { id, sum, key, parent } of acks) {
    const task = byId.get(id)
    if (task) {
      const stored = JSON.parse(task.payload) as Work
      if (stored.sum !== sum || sumOf(stored.text) !== sum)
        found.push(`P1 ${id}: the stored payload is not the submitted one`)
    } else if (!(pruned && runs.get(id)?.some(({ hash }) => hash !== null)))
      found.push(`P1 ${id}: acknowledged, and gone`)
    const name = key ?? parent
    if (name === undefined) continue
    const first = named.get(name) ?? id
    named.set(name, first)
    if (first !== id) found.push(`P6 ${name}: answered with two tasks, ${first} and ${id}`)
  }
}

// ── P2, P3, P5: how each task ended ───────────────────────────────────────────────────────────────────────────────────

interface Seen {
  readonly runs: readonly Run[]
  readonly errors: readonly string[]
}

function checkTask(
  task: Task,
  { runs, errors }: Seen,
  { maxCrashes }: CheckOptions,
  found: Violations,
): void {
  const wrong = (promise: string, what: string) =>
    found.push(`${promise} ${task.id} (${task.type}, ${task.status}): ${what}`)
  if (!isFinal(task.status)) wrong('P2', 'not in a final state')
  const { attempts, crashes, releases, snoozes, deliveries } = task
  const last = task.status === 'succeeded' || (task.status === 'cancelled' && endedRunning(task)) ? 1 : 0
  if (deliveries !== attempts + crashes + releases + snoozes + last) {
    wrong(
      'P3',
      `counters do not add up: ${JSON.stringify({ deliveries, attempts, crashes, releases, snoozes })}`,
    )
  }
  if (attempts > task.maxAttempts || crashes > maxCrashes)
    wrong('P3', `over its budget: ${attempts} attempts, ${crashes} crashes`)
  if (new Set(runs.map(({ d }) => d)).size !== runs.length)
    wrong('P3', `a delivery was started twice: ${runs.map(({ d }) => d).join(', ')}`)
  if (runs.some(({ d }) => d > deliveries))
    wrong('P3', `started more often than the ${deliveries} deliveries that were counted`)
  if ((task.status === 'succeeded' || attempts > 0) && runs.length === 0) wrong('P3', 'never started')
  checkResult(task, runs, wrong)
  checkFailure(task, { maxCrashes, errors }, wrong)
}

/** Of a cancelled task: whether its last delivery ended so (its error says which). */
function endedRunning(task: Task): boolean {
  return task.error?.message === 'cancelled while it ran'
}

function checkResult(task: Task, runs: readonly Run[], wrong: (promise: string, what: string) => void): void {
  if (task.status !== 'succeeded') {
    if (task.result !== null) wrong('P5', 'has a result')
    return
  }
  const last = runs.find(({ d }) => d === task.deliveries)
  if (!last?.hash) wrong('P5', `its delivery ${task.deliveries} never returned`)
  else if (task.result === null || sumOf(task.result) !== last.hash)
    wrong('P5', 'the stored result is not what the handler returned')
}

function checkFailure(
  task: Task,
  { maxCrashes, errors }: { readonly maxCrashes: number; readonly errors: readonly string[] },
  wrong: (promise: string, what: string) => void,
): void {
  const { failures, permanent } = JSON.parse(task.payload) as Work
  const reason = task.failureReason
  const expected =
    (reason === 'exhausted' &&
      !permanent &&
      failures >= task.maxAttempts &&
      task.attempts === task.maxAttempts) ||
    (reason === 'non_retryable' && permanent && task.attempts === 1) ||
    (reason === 'crashed' && task.crashes === maxCrashes)
  if (task.status === 'failed' && !expected)
    wrong('P3', `failed with ${reason}: ${JSON.stringify(task.error)}`)
  if (task.status === 'succeeded' && task.attempts !== failures)
    wrong('P3', `charged ${task.attempts} attempts for ${failures} failures: ${errors.join('; ')}`)
}

// ── P4, P7 ────────────────────────────────────────────────────────────────────────────────────────────────────────────

function checkOverlap(id: string, runs: readonly Run[], found: Violations): void {
  for (const [index, run] of runs.entries()) {
    const next = runs[index + 1]
    if (!next || run.end === null || next.start >= run.end) continue
    found.push(
      `P4 ${id}: delivery ${next.d} (pid ${next.pid}) started ${(run.end - next.start).toFixed(1)} ms before the end of ${run.d} (pid ${run.pid})`,
    )
  }
}

function checkCancels(
  cancelling: readonly LineOf<'cancelling'>[],
  cancels: readonly LineOf<'cancel'>[],
  byId: ReadonlyMap<string, Task>,
  runs: ReadonlyMap<string, readonly Run[]>,
  found: Violations,
): void {
  const asked = new Set(cancelling.map(({ id }) => id))
  for (const task of byId.values())
    if (task.status === 'cancelled' && !asked.has(task.id))
      found.push(`P2 ${task.id}: cancelled, and nobody asked`)
  for (const { id, t, answer } of cancels) {
    if (answer !== 'cancelled' && answer !== 'requested') continue
    const task = byId.get(id)
    if (answer === 'cancelled' && task && task.status !== 'cancelled')
      found.push(`P7 ${id}: its cancel was acknowledged, yet it is ${task.status}`)
    const ofTask = runs.get(id) ?? []
    const later = ofTask.filter(({ start }) => start > t).length
    // of `requested` the delivery in hand may just be on its way to its handler
    const inHand = ofTask.some((run) => run.start <= t && (run.end === null || run.end > t))
    const allowed = answer === 'requested' && !inHand ? 1 : 0
    if (later > allowed) found.push(`P7 ${id}: started after its cancel was acknowledged (${answer})`)
  }
}

function checkCheckpoints(
  kept: readonly LineOf<'kept'>[],
  runs: ReadonlyMap<string, readonly Run[]>,
  found: Violations,
): void {
  for (const { id, d, n } of kept) {
    const later = runs.get(id)?.find((run) => run.d > d && run.kept < n)
    if (later)
      found.push(
        `P1 ${id}: delivery ${d} stored checkpoint ${n}, delivery ${later.d} was given ${later.kept}`,
      )
  }
}

/** One final line per task in the workers' logs; they are written after the settle, so a kill may swallow one. */
function checkFinalLines(arena: Arena, found: Violations): void {
  const finals = new Map<unknown, number>()
  for (const { event, task_id: id, status } of arena.log()) {
    if (event !== 'task_processed' || !['success', 'failed', 'cancelled'].includes(String(status))) continue
    const seen = (finals.get(id) ?? 0) + 1
    finals.set(id, seen)
    if (seen === 2) found.push(`P2 ${String(id)}: reported as ended twice`)
  }
}
