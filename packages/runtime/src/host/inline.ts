import { WorkerError } from '../errors.js'
import type { AbortReason, Plugin } from '../plugin.js'
import { abortReasonOf, afterAbort } from './execute.js'
import type { HostSurroundings, Outcome, PluginHost, Work } from './host.js'
import { createPlace, queryTimeoutMs, type Place } from './place.js'
import { settledWithin } from './race-abort.js'
import type { Life } from './task-context.js'

/** The plugin runs in the worker's own event loop. What ignores its signal cannot be stopped here, only left behind: `abandoned`. */
export function createInlineHost(plugin: Plugin, surroundings: HostSurroundings): PluginHost {
  const place = createPlace(plugin, surroundings)
  const timeouts = new Map(plugin.queries.map(({ name, spec }) => [name, queryTimeoutMs(spec)]))
  const perform = createPerformer(place)
  return {
    start: (signal) => place.start(signal),
    perform,
    query: (name, input, signal) =>
      askInTime(name, timeouts.get(name), signal, (s) => place.query(name, input, s)),
    call: (call, signal) => place.call(call, signal),
    health: (signal) => place.health(signal),
    async stop(deadlineMs) {
      const ending = place.teardown()
      if (await settledWithin(ending, deadlineMs)) return ending
      surroundings.log.warn('plugin_teardown_late', { plugin: plugin.name, deadline_ms: deadlineMs })
      // it may still fail after nobody listens any more
      ending.catch(() => {})
    },
  }
}

/** Asks with the query's own time limit beside the caller's signal. */
export async function askInTime<T>(
  name: string,
  timeoutMs: number | undefined,
  signal: AbortSignal,
  ask: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  if (timeoutMs === undefined) return ask(signal)
  const limit = AbortSignal.timeout(timeoutMs)
  try {
    return await ask(AbortSignal.any([signal, limit]))
  } catch (error) {
    if (error !== limit.reason || signal.aborted) throw error
    throw new WorkerError('query_failed', `the query ${name} gave no answer within ${timeoutMs} ms`, {
      cause: error,
    })
  }
}

interface Running extends Life {
  readonly work: Work
  readonly settle: (outcome: Outcome) => void
  reason: AbortReason | null
  grace: NodeJS.Timeout | null
  unwatch: (() => void) | null
  ended: boolean
}

/**
 * Most handlers end in the turn of the loop in which they started: those never cost an AbortSignal. What is still running at the turn's
 * end is watched.
 */
function createPerformer(place: Place): PluginHost['perform'] {
  let fresh: Running[] = []
  const watchFresh = () => {
    const started = fresh
    fresh = []
    for (const running of started) if (!running.ended) watch(running)
  }
  return (work) =>
    new Promise((settle) => {
      const running: Running = {
        work,
        settle,
        reason: null,
        grace: null,
        unwatch: null,
        ended: false,
        closed: false,
      }
      place.run(work, running).then(
        (outcome) => end(running, running.reason === null ? outcome : afterAbort(outcome, running.reason)),
        // `run` never rejects; should it ever, the error must not vanish
        (error: unknown) =>
          queueMicrotask(() => {
            throw error
          }),
      )
      if (fresh.push(running) === 1) setImmediate(watchFresh)
    })
}

function watch(running: Running): void {
  const signal = running.work.signal()
  const abort = () => {
    const reason = abortReasonOf(signal)
    running.reason = reason
    running.grace = setTimeout(() => end(running, { kind: 'abandoned', reason }), running.work.graceMs)
  }
  if (signal.aborted) {
    abort()
    return
  }
  signal.addEventListener('abort', abort, { once: true })
  running.unwatch = () => signal.removeEventListener('abort', abort)
}

function end(running: Running, outcome: Outcome): void {
  if (running.ended) return
  running.ended = true
  running.closed = true
  running.unwatch?.()
  if (running.grace !== null) clearTimeout(running.grace)
  running.settle(outcome)
}
