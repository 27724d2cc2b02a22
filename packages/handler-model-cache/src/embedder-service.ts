import { embedderOptions, fingerprintText, type EmbedderOptions } from '@mcp-worker/embedder'
import { canonicalJson, defineService } from '@mcp-worker/runtime'
import type { Catalog } from './catalog.js'
import { classify } from './classify.js'
import { ModelError, refusalError } from './errors.js'
import type { ModelCache } from './model-cache.js'
import type { LoadedModel } from './engine.js'
import { payloadSchema } from './payload.js'

/**
 * The embedders of the cache, for other plugins: loaded once, felt by all. A preload of the model makes the next call find it in memory; while a call runs, it is
 * not evicted.
 */
export interface EmbedderService {
  /** The name under which the cache has an embedder with these options of `@mcp-worker/embedder`; null: it has none. */
  find(options: EmbedderOptions): Promise<string | null>
  /** Loads it if need be. `loadMs` is 0 where it was in memory already. */
  describe(
    model: string,
  ): Promise<{ readonly fingerprint: string; readonly dim: number; readonly loadMs: number }>
  /** One vector of length 1 per text, in their order. Rejects with the runtime's retryable and permanent errors. */
  embed(model: string, texts: readonly string[]): Promise<readonly Float32Array[]>
}

export const EMBEDDER_SERVICE = defineService<EmbedderService>('embedder')

export interface EmbedderServiceAround {
  readonly cache: ModelCache
  readonly catalog: Catalog
  readonly embedders: Readonly<Record<string, EmbedderOptions>>
}

/** Answers the service for one call, which ends with its signal: a load that nobody else waits for is stopped, and so is the embedding. */
export function createEmbedderService({
  cache,
  catalog,
  embedders,
}: EmbedderServiceAround): (signal: AbortSignal) => EmbedderService {
  const names = new Map(Object.entries(embedders).map(([name, options]) => [identityOf(options), name]))

  async function use<T>(
    model: string,
    signal: AbortSignal,
    work: (embedder: NonNullable<LoadedModel['embedder']>, loadMs: number) => Promise<T>,
  ): Promise<T> {
    const [wish] = wishesFor(model, catalog)
    if (wish === undefined) throw new Error(`${model} has no place`)
    try {
      const { arrival, value } = await cache.use(wish, { signal }, async ({ embedder }, how) => {
        if (embedder === undefined)
          throw new ModelError('MODEL_UNSUPPORTED', `expected ${model} to embed texts, it cannot`)
        const loadMs = how === 'hit' ? 0 : (cache.find(wish.engine, wish.model)?.loadMs ?? 0)
        return { done: await work(embedder, loadMs) }
      })
      if (arrival.kind === 'refused') throw refusalError(model, arrival.reason)
      if (value === null) throw new Error(`${model} was given to nobody`)
      return value.done
    } catch (error) {
      signal.throwIfAborted()
      throw classify(error)
    }
  }

  return (signal) => ({
    find: async (options) => names.get(identityOf(options)) ?? null,
    describe: (model) =>
      use(model, signal, async ({ fingerprint }, loadMs) => ({
        fingerprint: fingerprintText(fingerprint),
        dim: fingerprint.dimension,
        loadMs,
      })),
    embed: (model, texts) => use(model, signal, (embedder) => embedder.embed(texts, { signal })),
  })
}

function wishesFor(model: string, catalog: Catalog) {
  const payload = payloadSchema.parse({ model_id: model, engine: 'embedder', priority: 'high' })
  if (payload.operation !== 'preload') throw new Error('a payload without an operation is a preload')
  return catalog.wishesOf(payload)
}

/** Equal for options that mean the same: with all defaults, keys in order. */
function identityOf(options: EmbedderOptions): string {
  const read = embedderOptions.safeParse(options)
  return canonicalJson(JSON.stringify(read.success ? read.data : options))
}
