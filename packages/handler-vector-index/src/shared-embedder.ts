import type { EmbedderOptions } from '@mcp-worker/embedder'
import { defineService } from '@mcp-worker/runtime'
import type { TextEmbedder } from './lazy-embedder.js'

/** What this package uses of the service `embedder`, which `@mcp-worker/handler-model-cache` provides. */
export interface EmbedderService {
  /** The name of an embedder with these options; null: there is none. */
  find(options: EmbedderOptions): Promise<string | null>
  /** Loads it if need be. `loadMs` is 0 where it was in memory already. */
  describe(
    model: string,
  ): Promise<{ readonly fingerprint: string; readonly dim: number; readonly loadMs: number }>
  embed(model: string, texts: readonly string[]): Promise<readonly Float32Array[]>
}

export const EMBEDDER_SERVICE = defineService<EmbedderService>('embedder')

/** Whether the embedder was in memory when it was needed, had to be loaded there, or is not shared at all. */
export type EmbedderSource = 'warm' | 'loaded' | 'own'

/**
 * The embedder of the service where it has one with these options, so that a preload by `model_cache` is felt here and one copy serves all threads; else
 * this package's own. A call that was given up is left to end by itself: signals do not cross to another host.
 */
export function createSharedEmbedder(
  options: EmbedderOptions,
  {
    service,
    own,
    note,
  }: {
    readonly service: EmbedderService | undefined
    readonly own: TextEmbedder
    readonly note: (source: EmbedderSource) => void
  },
): TextEmbedder {
  if (service === undefined) return own
  let finding: Promise<string | null> | null = null
  const find = () => {
    finding ??= service.find(options).catch((error: unknown) => {
      finding = null
      throw error
    })
    return finding
  }
  return {
    async describe() {
      const model = await find()
      if (model === null) {
        note('own')
        return own.describe()
      }
      const { fingerprint, dim, loadMs } = await service.describe(model)
      note(loadMs === 0 ? 'warm' : 'loaded')
      return { fingerprint, dim }
    },
    async embed(texts, signal) {
      const model = await find()
      return model === null ? own.embed(texts, signal) : unlessAborted(service.embed(model, texts), signal)
    },
    close: () => own.close(),
  }
}

function unlessAborted<T>(answer: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const stop = () => reject(signal.reason as Error)
    if (signal.aborted) stop()
    signal.addEventListener('abort', stop, { once: true })
    void answer.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop))
  })
}
