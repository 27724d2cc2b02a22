import { WorkerError } from '../errors.js'
import { toTaskError } from '../task-error.js'
import type { AskOfPlugin } from './port.js'
import { raceAbort, settledWithin } from './race-abort.js'
import type { Death, ThreadLink } from './thread-link.js'

const MAX_RESTART_MS = 30_000
/** A thread that lived this long is restarted after the shortest wait again. */
const STEADY_MS = 60_000
/** How long a setup that is given up has for its own end. */
const GIVE_UP_MS = 1_000

/** The thread that answers queries, service calls and the health check, so that they don't wait behind a task. */
export interface Front {
  start(signal: AbortSignal): Promise<void>
  /** Rejects with what the plugin said, `service_unavailable` where the thread is not up, or the signal's reason. */
  ask(question: AskOfPlugin, signal: AbortSignal): Promise<unknown>
  stop(deadlineMs: number): Promise<void>
}

export interface FrontOptions {
  readonly plugin: string
  readonly start: () => ThreadLink
  /** A thread that does not see within this time that nobody waits any more for its answer is computing for nobody: it is replaced. */
  readonly silenceMs: number
  /** Before the first restart; doubled with each, up to 30 s. */
  readonly restartMs: number
  readonly onDeath: (why: string, restartInMs: number) => void
}

export function createFront(options: FrontOptions): Front {
  let link: ThreadLink | null = null
  let why = 'it was not started'
  let failures = -1
  let restart: NodeJS.Timeout | undefined
  let stopping = false

  const launch = (): ThreadLink => {
    const launched = options.start()
    link = launched
    watchSilence(launched, options.silenceMs)
    return launched
  }
  /** From its first success on: a front that cannot be set up at the start fails the start. */
  const keepUp = (kept: ThreadLink) => {
    const since = performance.now()
    let failure: string | null = null
    kept.ready.catch((error: unknown) => {
      failure = `its setup failed: ${toTaskError(error, 'host_crashed').message}`
      // a thread whose setup failed goes on running
      return kept.kill()
    })
    const replace = (death: Death): void => {
      link = null
      why = failure ?? (death.expected ? 'it was killed, since it did not answer' : death.why)
      if (stopping) return
      failures = performance.now() - since < STEADY_MS ? failures + 1 : 0
      const inMs = Math.min(options.restartMs * 2 ** failures, MAX_RESTART_MS)
      options.onDeath(why, inMs)
      restart = setTimeout(() => keepUp(launch()), inMs)
    }
    void kept.died.then(replace)
  }
  const upLink = (): ThreadLink => {
    if (link !== null) return link
    throw new WorkerError('service_unavailable', `the thread of ${options.plugin} is not up: ${why}`)
  }
  return {
    async start(signal) {
      const first = launch()
      try {
        await raceAbort(first.ready, signal)
      } catch (error) {
        link = null
        await first.end(signal.aborted ? GIVE_UP_MS : 0).catch(() => {})
        throw error
      }
      keepUp(first)
    },
    async ask(question, signal) {
      const up = upLink()
      await raceAbort(up.ready, signal)
      const { ref, answered } = up.ask(question)
      return raceAbort(answered, signal).catch((error: unknown) => {
        if (signal.aborted) silences.get(up)?.giveUp(ref)
        throw error
      })
    },
    async stop(deadlineMs) {
      stopping = true
      clearTimeout(restart)
      await link?.end(deadlineMs)
    },
  }
}

const silences = new WeakMap<ThreadLink, { giveUp(ref: number): void }>()

/** Kills a thread that stays silent when told that a question is given up. */
function watchSilence(link: ThreadLink, silenceMs: number): void {
  const seen = new Map<number, () => void>()
  link.onGiveUpSeen((ref) => seen.get(ref)?.())
  const giveUp = (ref: number) => {
    if (!link.alive()) return
    link.send({ kind: 'give_up', ref })
    const acknowledged = Promise.race([link.died, new Promise<void>((resolve) => seen.set(ref, resolve))])
    void settledWithin(acknowledged, silenceMs).then((inTime) => {
      seen.delete(ref)
      return inTime ? undefined : link.kill()
    })
  }
  silences.set(link, { giveUp })
}
