import type { LoadedModel, WarmupOptions } from '../../engine.js'
import { isModelError, ModelError } from '../../errors.js'
import { timeRuns } from '../warmup-times.js'
import { holdModel } from './held-model.js'
import { createKnownEnd } from './known-end.js'
import { createOllamaEmbedder } from './ollama-embedder.js'
import type { OllamaEngineOptions } from './options.js'
import type { PresenceWatch } from './presence-watch.js'
import type { OllamaServer } from './server.js'

/** How a model is loaded and run. */
export interface OllamaInput {
  readonly model: string
  readonly keepAliveMs: number | null
  readonly timeoutMs: number
}

interface LoadedOllama {
  readonly server: OllamaServer
  readonly watch: PresenceWatch
  readonly input: OllamaInput
  readonly options: OllamaEngineOptions
  /** What the cache calls it. */
  readonly modelId: string
  /** 64 hex digits. */
  readonly digest: string
  /** Of an embedding model; null: it generates. */
  readonly dimension: number | null
  readonly bytes: number
  readonly wasThere: boolean
}

export function createLoadedOllama(loaded: LoadedOllama): LoadedModel {
  const { server, watch, options, digest, dimension, bytes, wasThere } = loaded
  const { model } = loaded.input
  let { input } = loaded
  const end = createKnownEnd()
  end.told(input.keepAliveMs)
  const { url, unloadTimeout: unloadTimeoutMs } = options
  const held = holdModel({ server, watch, model, url, unloadTimeoutMs, end })
  /** Each request says how long the model is wanted, and starts that time anew. */
  async function run<T>(request: (signal: AbortSignal) => Promise<T>, signal: AbortSignal): Promise<T> {
    const answer = await held.use(request, signal)
    end.told(input.keepAliveMs)
    return answer
  }
  const embed = (texts: readonly string[], signal: AbortSignal): Promise<number[][]> =>
    run((both) => server.embed({ ...input, input: texts }, both), signal)

  async function runOnce(prompt: string, signal: AbortSignal): Promise<number> {
    const started = performance.now()
    if (dimension === null) await run((both) => server.generate({ ...input, prompt }, both), signal)
    else await embed([prompt], signal)
    return performance.now() - started
  }
  return {
    measuredBytes: bytes,
    warmup: (warmupOptions) => warmUp(warmupOptions, runOnce),
    unload: (signal) => held.unload(signal),
    wasThere,
    onGone: (callback) => held.onGone(callback),
    hasExpired: () => held.hasExpired(),
    async keepFor(keepAliveMs, signal) {
      await held.demandPresence(signal)
      input = { ...input, keepAliveMs }
      await run((both) => touchModel(server, input, dimension !== null, both), signal)
    },
    ...(dimension !== null && {
      embedder: createOllamaEmbedder({ model: loaded.modelId, digest, dimension, embed }),
    }),
  }
}

/**
 * Loads the model where it is not in memory, and sets its keep-alive; answers the dimension of a model that embeds. Such a model refuses to
 * generate: one short text does the same, and tells the dimension.
 */
export async function touchModel(
  server: OllamaServer,
  input: OllamaInput,
  isEmbedding: boolean,
  signal: AbortSignal,
): Promise<number | null> {
  if (!isEmbedding) {
    await server.generate(input, signal)
    return null
  }
  const [vector] = await server.embed({ ...input, input: ['dimension'] }, signal)
  return vector?.length ?? null
}

async function warmUp(
  options: WarmupOptions,
  runOnce: (prompt: string, signal: AbortSignal) => Promise<number>,
) {
  const prompts = promptsOf(options)
  let run = 0
  return timeRuns(options, async (signal) => {
    const prompt = prompts[run++ % prompts.length] ?? defaultPrompt
    return runOnce(prompt, signal).catch((error: unknown) => {
      throw failedRun(error)
    })
  })
}

const defaultPrompt = 'Hello.'

/** One prompt, or as `inputs` a list of them, taken in turn. */
function promptsOf({ inputs, prompt }: WarmupOptions): readonly string[] {
  if (inputs === undefined) return [prompt ?? defaultPrompt]
  if (Array.isArray(inputs) && inputs.length > 0 && inputs.every((input) => typeof input === 'string'))
    return inputs
  throw new ModelError('WARMUP_UNFIT', 'expected texts as the inputs of a model that takes text, got others')
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
