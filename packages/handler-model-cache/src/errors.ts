/**
 * One table: code → whether the same request may succeed later without anybody changing anything, and what to do about it.
 * README.md is tested against it.
 */
const MODEL_ERRORS = {
  // the model: found before anything is loaded or evicted
  MODEL_NOT_FOUND: {
    retryable: false,
    remedy: 'Check the name, and that the model is where its engine looks for it.',
  },
  MODEL_CORRUPT: {
    retryable: false,
    remedy: 'Fetch the model again: its content is not what its format demands.',
  },
  MODEL_TRUNCATED: { retryable: false, remedy: 'Fetch the model again: it ends before its own header says.' },
  DIGEST_MISMATCH: {
    retryable: false,
    remedy: 'Fetch the model again, or correct the digest: the content is another than was asked for.',
  },
  MODEL_OVER_BUDGET: {
    retryable: false,
    remedy: 'Raise the memory limit or choose a smaller model: it would not fit into the empty budget.',
  },
  MODEL_UNSUPPORTED: {
    retryable: false,
    remedy: 'Ask another engine, or leave out what this one cannot do.',
  },
  // the engine
  ENGINE_UNKNOWN: { retryable: false, remedy: 'Name one of the configured engines.' },
  ENGINE_NOT_INSTALLED: {
    retryable: false,
    remedy: 'Install the package that the message names beside this one.',
  },
  ENDPOINT_UNREACHABLE: {
    retryable: true,
    remedy: 'Check that the server runs and can be reached from here.',
  },
  ENDPOINT_FAILED: { retryable: true, remedy: "Read the server's own log." },
  ENDPOINT_TIMEOUT: {
    retryable: true,
    remedy:
      "Read the server's own log; if it is only slow, raise the engine's requestTimeout, or its loadTimeout for a load.",
  },
  ENDPOINT_REFUSED: { retryable: false, remedy: 'Check the address and the options of the engine.' },
  // loading
  OUT_OF_MEMORY: { retryable: true, remedy: 'Free memory, lower the budget or choose a smaller model.' },
  LOAD_FAILED: { retryable: true, remedy: 'See the message and the log of the engine.' },
  WARMUP_FAILED: {
    retryable: true,
    remedy: 'Check the inputs or the prompt of the warmup against the model.',
  },
  WARMUP_UNFIT: {
    retryable: false,
    remedy: 'Mend the inputs of the warmup, or leave them out: they do not fit the model.',
  },
  WARMUP_TIMEOUT: { retryable: true, remedy: 'Raise max_ms or lower runs.' },
  MODEL_GONE: {
    retryable: true,
    remedy: 'Nothing: the engine that held the model ended; the next try loads it again.',
  },
  UNLOAD_FAILED: {
    retryable: true,
    remedy: 'See the message; the bytes stay counted until the engine gives them back.',
  },
  // the cache
  NO_ROOM: {
    retryable: true,
    remedy:
      'Everything that could make room is in use or was loaded just now; try again later or raise the limit.',
  },
  CACHE_CLOSED: { retryable: true, remedy: 'The worker is stopping; another replica takes the task.' },
} as const satisfies Record<string, { retryable: boolean; remedy: string }>

export type ModelErrorCode = keyof typeof MODEL_ERRORS

export const MODEL_ERROR_CODES = Object.keys(MODEL_ERRORS) as readonly ModelErrorCode[]

export function isRetryableCode(code: ModelErrorCode): boolean {
  return MODEL_ERRORS[code].retryable
}

interface ModelErrorDetails {
  readonly cause?: unknown
  /** What a server asked for (`Retry-After`), in milliseconds. */
  readonly retryAfterMs?: number
}

const BRAND = Symbol.for('@mcp-worker/handler-model-cache/error')

/** Every failure of an engine and of the cache but an abort, which rejects with the signal's own reason. */
export class ModelError extends Error {
  override readonly name = 'ModelError'
  readonly code: ModelErrorCode
  readonly retryable: boolean
  readonly retryAfterMs: number | null
  /** The message without the remedy. */
  readonly problem: string

  /** @param problem what was expected and what came, a sentence without its full stop */
  constructor(code: ModelErrorCode, problem: string, details: ModelErrorDetails = {}) {
    const { retryable, remedy } = MODEL_ERRORS[code]
    super(`${problem}. ${remedy}`, 'cause' in details ? { cause: details.cause } : undefined)
    this.code = code
    this.problem = problem
    this.retryable = retryable
    this.retryAfterMs = details.retryAfterMs ?? null
    Object.defineProperty(this, BRAND, { value: true })
  }
}

/** A refusal, where there has to be an error. @param reason `pinned`, `rule` */
export function refusalError(modelId: string, reason: string): ModelError {
  return new ModelError('NO_ROOM', `expected room for ${modelId}, got a refusal: ${reason}`)
}

/** By brand and not by class, so that two copies of this package understand each other. */
export function isModelError(error: unknown): error is ModelError {
  return typeof error === 'object' && error !== null && BRAND in error
}
