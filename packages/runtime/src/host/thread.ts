import { WorkerError } from '../errors.js'
import type { Plugin } from '../plugin.js'
import { toTaskError } from '../task-error.js'
import { abortReasonOf } from './execute.js'
import type { HostSurroundings, Outcome, PluginHost, Work } from './host.js'
import { askInTime } from './inline.js'
import { queryTimeoutMs } from './place.js'
import type { AskOfPlugin } from './port.js'
import { clearCloneError } from './questions.js'
import { raceAbort } from './race-abort.js'
import { createFront, type Front } from './thread-front.js'
import { startThread, type ThreadLink } from './thread-link.js'
import { createThreadPool, type ThreadPool } from './thread-pool.js'
import { performInThread } from './thread-task.js'

/** All in milliseconds. Other values than the default are for tests. */
export interface ThreadTiming {
  /** From the abort until a thread that has not seen it is killed. */
  readonly acknowledgeMs: number
  readonly idleMs: number
  readonly frontSilenceMs: number
  readonly frontRestartMs: number
  /** For the teardown of a spare thread. */
  readonly spareEndMs: number
}

const TIMING: ThreadTiming = {
  acknowledgeMs: 250,
  idleMs: 60_000,
  frontSilenceMs: 5_000,
  frontRestartMs: 1_000,
  spareEndMs: 5_000,
}

/**
 * The plugin lives in threads of its own: one *front* thread for queries, services and health, and a thread per task at work. They share nothing
 * with the worker but messages, and can be killed while they compute.
 */
export function createThreadHost(
  plugin: Plugin,
  surroundings: HostSurroundings,
  timing: Partial<ThreadTiming> = {},
): PluginHost {
  const times = { ...TIMING, ...timing }
  const pool = createTaskThreads(plugin, surroundings, times)
  const front = createFrontThread(plugin, surroundings, times)
  const timeouts = new Map(plugin.queries.map(({ name, spec }) => [name, queryTimeoutMs(spec)]))
  let stopping: Promise<void> | null = null
  return {
    start: (signal) => front.start(signal),
    perform: (work) => (stopping === null ? perform(pool, work, times) : Promise.resolve(stopped(plugin))),
    async query(name, input, signal) {
      if (!timeouts.has(name)) throw new WorkerError('unknown_query', `${plugin.name} has no query ${name}`)
      return askInTime(name, timeouts.get(name), signal, (inTime) =>
        put(front, { what: 'query', name, input }, inTime).catch((error: unknown) => {
          throw inTime.aborted ? error : queryError(name, error)
        }),
      )
    },
    call: (call, signal) => put(front, { what: 'call', ...call }, signal),
    health: async (signal) => void (await front.ask({ what: 'health' }, signal)),
    stop: (deadlineMs) => (stopping ??= stopAll(front, pool, deadlineMs)),
  }
}

function createTaskThreads(plugin: Plugin, around: HostSurroundings, times: ThreadTiming): ThreadPool {
  return createThreadPool({
    start: () => startThread(plugin, around, 'task'),
    idleMs: times.idleMs,
    end: (link) =>
      link.end(times.spareEndMs).catch((error: unknown) => {
        around.log.warn('plugin_teardown_failed', { plugin: plugin.name, error: messageOf(error) })
      }),
    onIdleDeath: (why) =>
      around.log.warn('plugin_thread_ended', { plugin: plugin.name, thread: 'task', why }),
  })
}

function createFrontThread(plugin: Plugin, around: HostSurroundings, times: ThreadTiming): Front {
  return createFront({
    plugin: plugin.name,
    start: () => startThread(plugin, around, 'front'),
    silenceMs: times.frontSilenceMs,
    restartMs: times.frontRestartMs,
    onDeath: (why, restart_in_ms) =>
      around.log.error('plugin_thread_ended', { plugin: plugin.name, thread: 'front', why, restart_in_ms }),
  })
}

// ── tasks ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

async function perform(pool: ThreadPool, work: Work, times: ThreadTiming): Promise<Outcome> {
  const signal = work.signal()
  if (signal.aborted) return { kind: 'aborted', reason: abortReasonOf(signal), killed: false }
  let link: ThreadLink | null = null
  try {
    link = pool.take()
    await raceAbort(link.ready, signal)
  } catch (error) {
    // a thread whose setup failed, or takes longer than its task was given, serves nobody
    void link?.kill()
    if (signal.aborted) return { kind: 'aborted', reason: abortReasonOf(signal), killed: false }
    return notSetUp(error)
  }
  const outcome = await performInThread(link, work, times.acknowledgeMs)
  pool.giveBack(link)
  return outcome
}

/** An attempt with its backoff, not a crash: the task's own code has not run. */
function notSetUp(thrown: unknown): Outcome {
  const { message } = toTaskError(thrown, 'service_unavailable')
  const error = {
    code: 'service_unavailable',
    message: `the plugin could not be set up in its thread: ${message}`,
  }
  return { kind: 'threw', error, permanent: false, delayMs: null }
}

function stopped(plugin: Plugin): Outcome {
  return notSetUp(new Error(`${plugin.name} is stopping`))
}

// ── questions ─────────────────────────────────────────────────────────────────────────────────────────────────────────

async function put(front: Front, question: AskOfPlugin, signal: AbortSignal): Promise<unknown> {
  try {
    return await front.ask(question, signal)
  } catch (error) {
    const what =
      question.what === 'call' ? `the arguments of ${question.service}.${question.method}` : 'the input'
    throw clearCloneError(error, what)
  }
}

const OF_QUERIES: ReadonlySet<unknown> = new Set([
  'invalid_input',
  'query_refused',
  'query_failed',
  'unknown_query',
])

function queryError(name: string, error: unknown): unknown {
  const code = error instanceof Error && 'code' in error ? error.code : null
  if (OF_QUERIES.has(code)) return error
  return new WorkerError('query_failed', `the query ${name} failed: ${messageOf(error)}`, { cause: error })
}

function messageOf(error: unknown): string {
  return toTaskError(error, 'query_failed').message
}

/** All at once, each by the deadline; rejects with the first thing that a teardown threw. */
async function stopAll(front: Front, pool: ThreadPool, deadlineMs: number): Promise<void> {
  const endings = [front.stop(deadlineMs), ...pool.all().map((link) => link.end(deadlineMs))]
  const failed = (await Promise.allSettled(endings)).find(({ status }) => status === 'rejected')
  if (failed?.status === 'rejected') throw failed.reason
}
