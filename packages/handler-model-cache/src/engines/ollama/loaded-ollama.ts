import type { LoadedModel, WarmupOptions } from '../../engine.js'
import { isModelError, ModelError } from '../../errors.js'
import { createGoneSignal } from '../gone-signal.js'
import { timeRuns } from '../warmup-times.js'
import { createOllamaEmbedder } from './ollama-embedder.js'
import type { OllamaEngineOptions } from './options.js'
import { isRefusal, type PresenceWatch } from './presence-watch.js'
import type { OllamaServer } from './server.js'
import { unloadModel } from './unload.js'

interface LoadedOllama {
  readonly server: OllamaServer
  readonly watch: PresenceWatch
  readonly input: { readonly model: string; readonly keepAliveMs: number | null; readonly timeoutMs: number }
  readonly options: OllamaEngineOptions
  /** 64 hex digits. */
  readonly digest: string
  /** Of an embedding model; null: it generates. */
  readonly dimension: number | null
  readonly bytes: number
}

export function createLoadedOllama(loaded: LoadedOllama): LoadedModel {
  const { server, watch, input, options, digest, dimension, bytes } = loaded
  const gone = createGoneSignal()
  const lost = new AbortController()
  const watched = { model: input.model, lose }
  watch.add(watched)

  function lose(what: string): void {
    const error = new ModelError(
      'MODEL_GONE',
      `expected ${JSON.stringify(input.model)} on ${options.url}, ${what}`,
    )
    watch.remove(watched)
    gone.lose(error)
    lost.abort(error)
  }
  /** A request to the model: MODEL_GONE as soon as that is known. */
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
  const embed = (texts: readonly string[], signal: AbortSignal): Promise<number[][]> =>
    use((both) => server.embed({ ...input, input: texts }, both), signal)

  async function runOnce(prompt: string, signal: AbortSignal): Promise<number> {
    const started = performance.now()
    if (dimension === null) await use((both) => server.generate({ ...input, prompt }, both), signal)
    else await embed([prompt], signal)
    return performance.now() - started
  }
  async function unload(signal: AbortSignal): Promise<void> {
    if (lost.signal.aborted) return
    signal.throwIfAborted()
    watch.remove(watched)
    try {
      await unloadModel(server, input.model, options.unloadTimeout, signal)
    } catch (error) {
      watch.add(watched)
      throw error
    }
    gone.settle()
    lost.abort(
      new ModelError('MODEL_GONE', `expected ${JSON.stringify(input.model)} to be loaded, it was unloaded`),
    )
  }
  const embedder =
    dimension === null ? null : createOllamaEmbedder({ model: input.model, digest, dimension, embed })
  return {
    measuredBytes: bytes,
    async warmup(warmupOptions) {
      const prompts = promptsOf(warmupOptions)
      let run = 0
      return timeRuns(warmupOptions, async (signal) => {
        const prompt = prompts[run++ % prompts.length] ?? defaultPrompt
        return runOnce(prompt, signal).catch((error: unknown) => {
          throw failedRun(error)
        })
      })
    },
    unload,
    onGone: (callback) => gone.onGone(callback),
    ...(embedder ? { embedder } : {}),
  }
}

const defaultPrompt = 'Hello.'

/** One prompt, or as `inputs` a list of them, taken in turn. */
function promptsOf({ inputs, prompt }: WarmupOptions): readonly string[] {
  if (inputs === undefined) return [prompt ?? defaultPrompt]
  if (Array.isArray(inputs) && inputs.length > 0 && inputs.every((input) => typeof input === 'string'))
    return inputs
  throw new ModelError('WARMUP_FAILED', 'expected texts as the inputs of a model that takes text, got others')
}

function failedRun(error: unknown): unknown {
  if (!isModelError(error) || ['MODEL_GONE', 'OUT_OF_MEMORY', 'MODEL_CORRUPT'].includes(error.code))
    return error
  const details = error.retryAfterMs === null ? {} : { retryAfterMs: error.retryAfterMs }
  return new ModelError('WARMUP_FAILED', `expected the model to run, got ${error.code}`, {
    cause: error,
    ...details,
  })
}
