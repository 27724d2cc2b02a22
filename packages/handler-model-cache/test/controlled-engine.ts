import type { LoadedModel, LoadOptions, ModelEngine, ModelRef, WarmupTimes } from '../src/engine.js'
import { ModelError, type ModelErrorCode } from '../src/errors.js'

interface Step<T> {
  readonly modelId: string
  readonly resolve: (value: T) => void
  readonly reject: (error: Error) => void
}

/** A load, warmup or unload that the test ends by hand. */
class Steps<T> {
  readonly open: Step<T>[] = []

  begin(modelId: string, signal: AbortSignal): Promise<T> {
    return new Promise((resolve, reject) => {
      const end = (settle: () => void) => {
        const at = this.open.indexOf(step)
        if (at !== -1) this.open.splice(at, 1)
        signal.removeEventListener('abort', stop)
        settle()
      }
      const stop = () => end(() => reject(signal.reason as Error))
      const step: Step<T> = {
        modelId,
        resolve: (value) => end(() => resolve(value)),
        reject: (error) => end(() => reject(error)),
      }
      this.open.push(step)
      if (signal.aborted) stop()
      else signal.addEventListener('abort', stop, { once: true })
    })
  }

  of(modelId: string): Step<T> {
    const step = this.open.find((one) => one.modelId === modelId)
    if (step === undefined) throw new Error(`nothing under way for ${modelId}`)
    return step
  }
}

export interface ControlledOptions {
  readonly name?: string
  readonly pool?: string
  readonly sharedEndpoint?: boolean
  /** Loads, warmups and unloads end by themselves. Default false: the test ends them. */
  readonly automatic?: boolean
}

export interface ControlledEngine {
  readonly engine: Mutable<ModelEngine>
  /** `load a`, `unload a`, in the order in which they were asked for. */
  readonly log: string[]
  /** Bytes of loads under way and of loaded models, by model. */
  readonly memory: Map<string, number>
  readonly state: {
    closed: boolean
    peak: number
    estimateError: ModelErrorCode | null
    /** The time of what a shared endpoint holds is over. */
    isOver: boolean
    /** A shared endpoint holds already what is loaded. */
    wasThere: boolean
    /** What a shared endpoint does when it is told a keep-alive. Default: it takes it. */
    onKeep: (modelId: string) => Promise<void>
  }
  readonly loads: Steps<{ readonly bytes?: number }>
  readonly warmups: Steps<WarmupTimes>
  readonly unloads: Steps<void>
  readonly total: () => number
  readonly loadsOf: (modelId: string) => number
  /** The engine dies under a loaded model. */
  readonly kill: (modelId: string) => void
  readonly isLoaded: (modelId: string) => boolean
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] }

/**
 * An engine whose every step is ended by the test, which keeps its own books of what is in memory: the cache is judged by them, not by its own.
 */
export function createControlledEngine(
  sizes: Readonly<Record<string, number>>,
  { name = 'test', pool = 'process', sharedEndpoint = false, automatic = false }: ControlledOptions = {},
): ControlledEngine {
  const loads = new Steps<{ readonly bytes?: number }>()
  const warmups = new Steps<WarmupTimes>()
  const unloads = new Steps<void>()
  const memory = new Map<string, number>()
  const lose = new Map<string, (error: Error) => void>()
  const log: string[] = []
  const state: ControlledEngine['state'] = {
    closed: false,
    peak: 0,
    estimateError: null,
    isOver: false,
    wasThere: false,
    onKeep: async () => {},
  }

  const take = (modelId: string, bytes: number) => {
    memory.set(modelId, bytes)
    state.peak = Math.max(state.peak, total(memory))
  }
  const engine: ModelEngine = {
    name,
    endpoint: `test:${name}`,
    pool,
    sharedEndpoint,
    async estimate({ modelId, digest }: ModelRef, signal) {
      signal.throwIfAborted()
      if (state.estimateError !== null)
        throw new ModelError(state.estimateError, `expected a good ${modelId}`)
      const bytes = sizes[modelId]
      if (bytes === undefined) throw new ModelError('MODEL_NOT_FOUND', `expected ${modelId} to be there`)
      return { bytes, digest }
    },
    async load({ modelId }: ModelRef, { signal }: LoadOptions) {
      log.push(`load ${modelId}`)
      if (memory.has(modelId)) throw new Error(`${modelId} is in memory already`)
      take(modelId, sizes[modelId] ?? 0)
      try {
        const { bytes } = automatic ? {} : await loads.begin(modelId, signal)
        if (bytes !== undefined) take(modelId, bytes)
      } catch (error) {
        memory.delete(modelId)
        throw error
      }
      return loadedModel(modelId)
    },
    async close() {
      state.closed = true
      memory.clear()
    },
  }

  function loadedModel(modelId: string): LoadedModel {
    const listeners: ((error: Error) => void)[] = []
    lose.set(modelId, (error) => {
      memory.delete(modelId)
      lose.delete(modelId)
      const warmup = warmups.open.find((one) => one.modelId === modelId)
      warmup?.reject(error)
      for (const listener of listeners) listener(error)
    })
    return {
      measuredBytes: memory.get(modelId) ?? null,
      warmup: async ({ runs, signal }) =>
        automatic ? { firstMs: 2, p50Ms: 1, runs } : warmups.begin(modelId, signal),
      async unload(signal) {
        log.push(`unload ${modelId}`)
        if (!memory.has(modelId)) return
        if (!automatic) await unloads.begin(modelId, signal)
        memory.delete(modelId)
        lose.delete(modelId)
      },
      onGone: (callback) => void listeners.push(callback),
      ...(sharedEndpoint && {
        wasThere: state.wasThere,
        hasExpired: () => state.isOver,
        keepFor(ms) {
          log.push(`keep ${modelId} ${ms}`)
          return state.onKeep(modelId)
        },
      }),
    }
  }

  return {
    engine,
    log,
    memory,
    state,
    loads,
    warmups,
    unloads,
    total: () => total(memory),
    loadsOf: (modelId: string) => log.filter((line) => line === `load ${modelId}`).length,
    kill(modelId: string) {
      const die = lose.get(modelId)
      if (die === undefined) throw new Error(`${modelId} is not loaded`)
      die(new ModelError('MODEL_GONE', `the thread of ${modelId} ended`))
    },
    isLoaded: (modelId: string) => lose.has(modelId),
  }
}

function total(memory: ReadonlyMap<string, number>): number {
  return [...memory.values()].reduce((sum, bytes) => sum + bytes, 0)
}
