import { type Embedder, EmbedderError, type Fingerprint } from '@mcp-worker/embedder'
import type { LoadedModel, WarmupOptions } from '../../engine.js'
import { isModelError, ModelError } from '../../errors.js'
import { asEmbedderError } from '../as-embedder-error.js'
import type { Host } from '../host/host.js'
import { timeRuns } from '../warmup-times.js'
import type { EmbedderCalls, EmbedderFault } from './embedder-thread.js'

/** @param onEnd called when it is unloaded or gone, perhaps twice */
export function createLoadedEmbedder(
  host: Host<EmbedderCalls>,
  fingerprint: Fingerprint,
  measuredBytes: number,
  onEnd: () => void,
): LoadedModel {
  host.onGone(onEnd)
  const embedder: Embedder = {
    fingerprint,
    async embed(texts, { signal } = {}) {
      const call = host.call('embed', texts, signal ? { signal } : {})
      const output = await call.catch((error: unknown) => {
        throw asEmbedderError(error)
      })
      if ('fault' in output) throw errorOf(output.fault)
      return [...output.vectors]
    },
  }
  return {
    measuredBytes,
    embedder,
    async warmup(options) {
      const texts = textsOf(options)
      return timeRuns(options, async (signal) => {
        const started = performance.now()
        await embedder.embed(texts, { signal }).catch((error: unknown) => {
          throw signal.aborted || isModelError(error) ? error : failedRun(error)
        })
        return performance.now() - started
      })
    },
    async unload(signal) {
      signal.throwIfAborted()
      await host.end()
      onEnd()
    },
    onGone: (callback) => host.onGone(callback),
  }
}

function errorOf({ code, problem, retryAfterMs, textIndex }: EmbedderFault): EmbedderError {
  return new EmbedderError(code, problem, { retryAfterMs, textIndex })
}

function textsOf({ inputs, prompt = 'Hello.' }: WarmupOptions): readonly string[] {
  if (inputs === undefined) return [prompt]
  if (Array.isArray(inputs) && inputs.length > 0 && inputs.every((input) => typeof input === 'string'))
    return inputs
  throw new ModelError('WARMUP_UNFIT', 'expected texts as the inputs of an embedder, got others')
}

function failedRun(cause: unknown): ModelError {
  const said = cause instanceof Error ? cause.message : String(cause)
  return new ModelError('WARMUP_FAILED', `expected the embedder to run, got ${said}`, { cause })
}
