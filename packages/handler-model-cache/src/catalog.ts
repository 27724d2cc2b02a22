import type { ModelEngine, ModelRef } from './engine.js'
import { ModelError } from './errors.js'
import type { ModelWish, WarmupWish } from './model-entry.js'
import type { WarmupFields } from './model-fields.js'
import type { ModelCacheOptions } from './options.js'
import type { LoadingPayload } from './payload.js'
import { PRIORITIES } from './model-entry.js'

/** Which engine has a model, and what it is called there. */
export interface Place {
  readonly engine: ModelEngine
  readonly model: ModelRef
}

export interface Catalog {
  /**
   * Where the model may be, the likeliest first: the next one is to be tried where the engine says MODEL_NOT_FOUND. Throws ENGINE_UNKNOWN.
   */
  placesOf(named: {
    readonly model_id: string
    readonly revision?: string | undefined
    readonly engine?: string | undefined
  }): readonly Place[]
  /** What a payload asks for, in each of these places. */
  wishesOf(payload: LoadingPayload): readonly ModelWish[]
}

type CatalogOptions = Pick<
  ModelCacheOptions,
  'models' | 'embedder' | 'defaultEngine' | 'warmupRuns' | 'warmupMax'
>

export function createCatalog(engines: readonly ModelEngine[], options: CatalogOptions): Catalog {
  // a model may be called "constructor"
  const knownModel = (id: string) => (Object.hasOwn(options.models, id) ? options.models[id] : undefined)
  const placesOf: Catalog['placesOf'] = ({ model_id: id, revision, engine: asked }) => {
    const known = knownModel(id)
    const engine = engineCalled(asked ?? known?.engine ?? engineByName(id, options), id, engines)
    const names = known?.name === undefined ? spellings(id, engine) : [known.name]
    return names.map((modelId) => ({
      engine,
      model: {
        modelId: engine.idOf?.(modelId) ?? modelId,
        revision: revision ?? known?.revision ?? null,
        digest: null,
      },
    }))
  }
  return {
    placesOf,
    wishesOf(payload) {
      const known = knownModel(payload.model_id)
      const digest = payload.digest ?? known?.digest ?? null
      return placesOf(payload).map(({ engine, model }, i, places) => ({
        engine,
        model: { ...model, digest },
        priority: PRIORITIES.indexOf(payload.priority),
        evict: payload.evict,
        memoryBytes: payload.memory_bytes ?? bytesOf(known?.memoryMb),
        warmup: warmupOf(
          warmupFields(payload.warmup) ?? known?.warmup ?? (payload.operation === 'warmup' ? {} : undefined),
          options,
        ),
        keepAliveMs: payload.keep_alive === undefined ? known?.keepAlive : payload.keep_alive,
        isGuess: i < places.length - 1,
        pin: payload.pin,
        force: payload.force,
      }))
    },
  }
}

function engineCalled(name: string, model: string, engines: readonly ModelEngine[]): ModelEngine {
  const engine = engines.find((one) => one.name === name)
  if (engine) return engine
  const known = engines.map((one) => one.name).join(', ')
  throw new ModelError('ENGINE_UNKNOWN', `expected one of the engines ${known} for ${model}, got ${name}`)
}

function engineByName(model: string, { embedder, defaultEngine }: CatalogOptions): string {
  if (Object.hasOwn(embedder.models, model)) return 'embedder'
  if (model.endsWith('.onnx')) return 'onnx'
  return /\.(gguf|safetensors)$/.test(model) ? 'file' : defaultEngine
}

/** People write `llama3-8b` for what an Ollama server calls `llama3:8b`: the name as written comes first. */
function spellings(id: string, engine: ModelEngine): readonly string[] {
  const dash = id.lastIndexOf('-')
  if (engine.name !== 'ollama' || id.includes(':') || dash < 1 || dash === id.length - 1) return [id]
  return [id, `${id.slice(0, dash)}:${id.slice(dash + 1)}`]
}

function bytesOf(mebibytes: number | undefined): number | null {
  return mebibytes === undefined ? null : mebibytes * 1024 * 1024
}

function warmupFields(given: LoadingPayload['warmup']): WarmupFields | undefined {
  if (given === undefined) return undefined
  const { max_ms: maxMs, ...rest } = given
  return { ...rest, maxMs }
}

function warmupOf(
  wish: WarmupFields | undefined,
  { warmupRuns, warmupMax }: CatalogOptions,
): WarmupWish | null {
  const runs = wish?.runs ?? (wish === undefined ? warmupRuns : Math.max(1, warmupRuns))
  if (runs === 0) return null
  return {
    runs,
    maxMs: wish?.maxMs ?? warmupMax,
    ...(wish?.inputs !== undefined && { inputs: wish.inputs }),
    ...(wish?.prompt !== undefined && { prompt: wish.prompt }),
  }
}
