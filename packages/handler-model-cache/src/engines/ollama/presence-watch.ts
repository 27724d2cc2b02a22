import { isModelError } from '../../errors.js'
import { callAfter } from '../../timers.js'
import { codeOf } from './http-call.js'
import { canonicalName } from './model-name.js'
import type { OllamaServer, RunningModel } from './server.js'

/** So many refused connections in a row, and the server and what it held are gone. A server that is slow to answer is not. */
const refusalsUntilGone = 2

export interface WatchedModel {
  readonly model: string
  /** The server lists it. */
  readonly see: (running: RunningModel) => void
  /** The server does not list it any more. */
  readonly miss: () => void
  readonly lose: (what: string) => void
}

export interface PresenceWatch {
  add(watched: WatchedModel): void
  remove(watched: WatchedModel): void
  close(): void
}

/** Asks the server every so often, while any model is watched, whether they are still in its memory. */
export function createPresenceWatch(server: OllamaServer, intervalMs: number): PresenceWatch {
  const models = new Set<WatchedModel>()
  const closing = new AbortController()
  let cancel: (() => void) | null = null
  let refusals = 0

  function schedule(): void {
    if (closing.signal.aborted || models.size === 0 || cancel) return
    cancel = callAfter(intervalMs, () => void look())
  }
  async function look(): Promise<void> {
    // what is added while the question is under way is not in its answer
    const asked = [...models]
    try {
      const running = await server.running(closing.signal)
      const byName = new Map(running.map((one) => [canonicalName(one.name), one]))
      refusals = 0
      for (const watched of asked) {
        if (!models.has(watched)) continue
        const listed = byName.get(canonicalName(watched.model))
        if (listed === undefined) watched.miss()
        else watched.see(listed)
      }
    } catch (error) {
      refusals = isRefusal(error) ? refusals + 1 : 0
      if (refusals >= refusalsUntilGone) for (const watched of models) watched.lose('the server has gone')
    }
    cancel = null
    schedule()
  }
  return {
    add(watched) {
      models.add(watched)
      schedule()
    },
    remove: (watched) => void models.delete(watched),
    close() {
      closing.abort()
      cancel?.()
    },
  }
}

/** Nobody listens there any more; not: it is busy (the server holds the answer back while it loads another model). */
export function isRefusal(error: unknown): boolean {
  if (!isModelError(error) || error.code !== 'ENDPOINT_UNREACHABLE') return false
  return ['ECONNREFUSED', 'EHOSTUNREACH', 'ENOTFOUND'].includes(codeOf(error.cause) ?? '')
}
