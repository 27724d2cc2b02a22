import type { Embedder } from '@mcp-worker/embedder'

/**
 * The port: what the cache asks of an engine, and what an engine may rely on. The comments are the specification; each sentence is
 * a test of the shared suite (test/engine-suite.ts), which every engine passes.
 *
 * The cache does the bookkeeping (bytes, joins, pins, uses, eviction); an engine only finds, loads, runs and frees. The cache never
 * has two loads of one (endpoint, model, revision) under way, never loads what is loaded, and calls nothing after `close`.
 * Different models may be loaded, warmed and unloaded at the same time.
 *
 * Failures are `ModelError`s with a code of errors.ts; an abort rejects with the signal's own reason.
 */

/** What is to be found or loaded. Two requests with the same id and revision are the same model. */
export interface ModelRef {
  /** As the payload names it, or as the option `models` translates it. */
  readonly modelId: string
  /** null: the engine's current one. An engine without revisions rejects another value with MODEL_UNSUPPORTED. */
  readonly revision: string | null
  /** `sha256:` and 64 hex digits that the content must have; null: not asked for. */
  readonly digest: string | null
}

export interface ModelEstimate {
  /** What the loaded model will take of the pool, an estimate that is rather too high than too low. Above 0. */
  readonly bytes: number
  /** What the load takes at its peak, where it takes more than what is measured after it: reserved also where that is known. Default: it does not. */
  readonly peakBytes?: number
  /** What the content has, if the engine knows it without reading it all, or read it anyhow (a digest was asked for); null: unknown. */
  readonly digest: string | null
}

export interface LoadOptions {
  /**
   * Aborted when nobody wants the model any more, or at the worker's stop. `load` then rejects with the signal's reason **after** what it
   * had taken is given back (thread ended, file closed, the endpoint told to unload), within 1 s or one unit of work.
   */
  readonly signal: AbortSignal
  /** Bytes read so far, and of how many; null: unknown. May be called often and from its start on; never backwards. */
  readonly progress: (doneBytes: number, totalBytes: number | null) => void
  /**
   * How long the model is wanted after its last use, in milliseconds; null: until it is unloaded. Only for engines whose endpoint sees
   * uses that the cache does not (`sharedEndpoint`): they pass it on. The others leave it to the cache.
   */
  readonly keepAliveMs: number | null
}

export interface WarmupOptions {
  /** Whole number, 1 or more. */
  readonly runs: number
  /** JSON that the engine understands as one or more inputs of the model; undefined: inputs of the engine's own making. */
  readonly inputs?: unknown
  /** For models that take text; undefined: a short one of the engine's own. */
  readonly prompt?: string
  /**
   * The time limit of all runs together, in milliseconds. When it strikes, no further run is started and the one under way is given
   * up: answers with the runs that were done, or rejects with WARMUP_TIMEOUT where there is none.
   */
  readonly maxMs: number
  readonly signal: AbortSignal
}

export interface WarmupTimes {
  /** The first run in milliseconds: it pays for what is allocated on first use. */
  readonly firstMs: number
  /** The median of all runs in milliseconds; of one run, `firstMs`. */
  readonly p50Ms: number
  /** Runs done. */
  readonly runs: number
}

/** A model that is in memory and belongs to the cache until `unload` resolves or it is gone. */
export interface LoadedModel {
  /** What it takes, measured (resident memory before and after, the endpoint's own figure); null: cannot be told, the estimate stands. */
  readonly measuredBytes: number | null
  /**
   * Really runs the model: MODEL_CORRUPT or WARMUP_FAILED where that fails, WARMUP_UNFIT where the inputs do not fit the model. Computing does not hold up the caller's event loop.
   * May be called while the model is used. On abort: the signal's reason, within 1 s or one run.
   */
  warmup(options: WarmupOptions): Promise<WarmupTimes>
  /**
   * Resolves when the memory is back: thread ended, page cache dropped where that can be asked for, the endpoint no longer listing it.
   * Rejects with UNLOAD_FAILED, or the signal's reason, where that is not known to have happened; it may then be called again.
   * A second call after success, or after the model is gone, resolves at once.
   */
  unload(signal: AbortSignal): Promise<void>
  /**
   * Calls back once, asynchronously, when the model is lost without `unload`: its thread died, the endpoint dropped it or went away. Whatever
   * was under way rejects with MODEL_GONE. A listener added after that is called as well. Never called for an `unload`.
   */
  onGone(callback: (reason: Error) => void): void
  /** Of models on a shared endpoint: it held the model already, nothing was loaded. Default false. */
  readonly wasThere?: boolean
  /**
   * Of models on a shared endpoint: whether the time for which it was to keep the model is over, as far as that is known. What it does not hold any more then
   * was not lost. False for one whose process or server died.
   */
  hasExpired?(): boolean
  /**
   * Whether the content that `estimate` would check now is the one that was loaded; false also where that cannot be said. Absent for engines whose estimates
   * always say the digest, and for content that does not change.
   */
  isCurrent?(): Promise<boolean>
  /**
   * Of models on a shared endpoint: tells it how long the model is wanted after its last use from now on (as `keepAliveMs` of `load`), and starts that
   * time anew; later runs say the same. MODEL_GONE where the endpoint does not hold the model any more: it is not loaded for this.
   */
  keepFor?(keepAliveMs: number | null, signal: AbortSignal): Promise<void>
  /** Of models that turn text into vectors; calls may overlap. The cache counts its uses. */
  readonly embedder?: Embedder
}

/** What the endpoint says is in its memory, whoever loaded it. */
export interface ObservedModel {
  readonly modelId: string
  readonly revision: string | null
  readonly bytes: number
  /** Milliseconds since its last use by anybody; null: the endpoint does not tell. */
  readonly idleMs: number | null
}

/** Engines open nothing and reach for nobody when they are created: the first call does. */
export interface ModelEngine {
  /** `ollama`, `onnx`, `file`, `embedder`: the payload's `engine`, and a metric's label. */
  readonly name: string
  /**
   * Names the place where models are resident, without credentials (`http://127.0.0.1:11434`, `thread:onnx`). One load per (endpoint,
   * model, revision).
   */
  readonly endpoint: string
  /**
   * Whose memory it is. `process` for all engines that load into this process or its children: they share one budget. Others: their
   * endpoint, which has a budget of its own.
   */
  readonly pool: string
  /** True where other processes load into the same endpoint too: a model may be there already, and go without our doing. */
  readonly sharedEndpoint: boolean
  /** The one name of a model that has several (`llama3.2` of `llama3.2:latest`); absent: each name is another model. */
  idOf?(modelId: string): string
  /**
   * Finds the model and says what it will take, **without loading it**; with `digest` it is checked here. Rejects with the distinct permanent errors
   * MODEL_NOT_FOUND, MODEL_TRUNCATED (shorter than its own header or manifest says), MODEL_CORRUPT (format or checksum), DIGEST_MISMATCH,
   * MODEL_UNSUPPORTED, and the retryable ENDPOINT_UNREACHABLE, ENDPOINT_TIMEOUT and ENDPOINT_FAILED. The cache evicts nothing before this resolved. Reading
   * (hashing 400 MB) does not hold up the caller's event loop.
   */
  estimate(model: ModelRef, signal: AbortSignal): Promise<ModelEstimate>
  /**
   * Brings the model into memory; resolves when it can be warmed. Where the endpoint holds it already: resolves with that one. Rejects with the
   * errors of `estimate`, OUT_OF_MEMORY where memory is what failed, MODEL_GONE where the engine died over it, else LOAD_FAILED. After
   * a rejection nothing of it is left in memory. The caller's event loop goes on meanwhile: big reads and computing happen elsewhere.
   */
  load(model: ModelRef, options: LoadOptions): Promise<LoadedModel>
  /** Absent where nobody but the cache loads there. Rejects with an ENDPOINT_ error as above. */
  observe?(signal: AbortSignal): Promise<readonly ObservedModel[]>
  /** Ends what it started (threads, sockets); what is loaded here and not on a shared endpoint is freed. May be called twice. */
  close(): Promise<void>
}
