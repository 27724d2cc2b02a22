import type { LoadedModel } from '../../engine.js'
import { isModelError, ModelError } from '../../errors.js'
import { createGoneSignal } from '../gone-signal.js'
import type { KnownEnd } from './known-end.js'
import { isRefusal, type PresenceWatch } from './presence-watch.js'
import type { OllamaServer, RunningModel } from './server.js'
import { findRunning, unloadModel } from './unload.js'

/** A model in the server's memory that is ours, watched until it is unloaded or lost. */
export interface HeldModel extends Pick<LoadedModel, 'unload' | 'onGone'> {
  /** As the port's. */
  hasExpired(): boolean
  /** A request to the model: MODEL_GONE as soon as that is known. */
  use<T>(request: (signal: AbortSignal) => Promise<T>, signal: AbortSignal): Promise<T>
  /** Asks the server whether it still has it: MODEL_GONE where it has not. */
  demandPresence(signal: AbortSignal): Promise<void>
}

interface HeldModelParts {
  readonly server: OllamaServer
  readonly watch: PresenceWatch
  readonly model: string
  readonly url: string
  readonly unloadTimeoutMs: number
  readonly end: KnownEnd
}

export function holdModel({ server, watch, model, url, unloadTimeoutMs, end }: HeldModelParts): HeldModel {
  const gone = createGoneSignal()
  const lost = new AbortController()
  const miss = () => goes('the server no longer lists it')
  const watched = { model, lose, miss, see: ({ leftMs }: RunningModel) => end.seen(leftMs) }
  let died = false
  watch.add(watched)

  /** The server, or the process that held it, ended. */
  function lose(what: string): void {
    died = true
    goes(what)
  }
  function goes(what: string): void {
    const error = new ModelError('MODEL_GONE', `expected ${JSON.stringify(model)} on ${url}, ${what}`)
    watch.remove(watched)
    gone.lose(error)
    lost.abort(error)
  }
  /** While the server loads another model it does not say: then it is taken to be there. */
  async function isListed(signal: AbortSignal): Promise<boolean> {
    try {
      return (await findRunning(server, model, signal)) !== null
    } catch (error) {
      if (isModelError(error) && error.code === 'ENDPOINT_TIMEOUT') return true
      throw error
    }
  }
  async function use<T>(request: (signal: AbortSignal) => Promise<T>, signal: AbortSignal): Promise<T> {
    lost.signal.throwIfAborted()
    try {
      return await request(AbortSignal.any([signal, lost.signal]))
    } catch (error) {
      if (isRefusal(error)) lose('the server has gone')
      if (isModelError(error) && error.code === 'MODEL_GONE') lose('the process that held it ended')
      throw gone.reason() ?? error
    }
  }
  return {
    use,
    onGone: (callback) => gone.onGone(callback),
    hasExpired: () => !died && end.isOver(),
    async demandPresence(signal) {
      if (await use((both) => isListed(both), signal)) return
      miss()
      throw gone.reason() ?? lost.signal.reason
    },
    async unload(signal) {
      if (lost.signal.aborted) return
      signal.throwIfAborted()
      watch.remove(watched)
      try {
        await unloadModel(server, model, unloadTimeoutMs, signal)
      } catch (error) {
        watch.add(watched)
        throw error
      }
      gone.settle()
      lost.abort(
        new ModelError('MODEL_GONE', `expected ${JSON.stringify(model)} to be loaded, it was unloaded`),
      )
    },
  }
}
