import type { EmbedderOptions } from '@mcp-worker/embedder'
import { defineService } from '@mcp-worker/runtime'
import type { TextEmbedder } from './lazy-embedder.js'
import { orAbort } from './or-abort.js'

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
 * Makes the embedder for one task or query from what that sees of the service: the service's where it has one with these options, so that a preload
 * by `model_cache` is felt here and one copy serves all threads; else this package's own. A call of the service ends with the task that made it.
 */
export function createSharedEmbedder(
  options: EmbedderOptions,
  { own, note }: { readonly own: TextEmbedder; readonly note: (source: EmbedderSource) => void },
): (service: EmbedderService | undefined) => TextEmbedder {
  /** The options do not change, and neither does what the service has. */
  let found: { readonly model: string | null } | null = null
  const findIn = async (service: EmbedderService) => {
    found ??= { model: await service.find(options) }
    return found.model
  }
  return (service) => {
    if (service === undefined) return own
    return {
      async describe(signal) {
        const model = await findIn(service)
        if (model === null) {
          note('own')
          return own.describe(signal)
        }
        const { fingerprint, dim, loadMs } = await orAbort(service.describe(model), signal)
        note(loadMs === 0 ? 'warm' : 'loaded')
        return { fingerprint, dim }
      },
      async embed(texts, signal) {
        const model = await findIn(service)
        return model === null ? own.embed(texts, signal) : service.embed(model, texts)
      },
      close: () => own.close(),
    }
  }
}
