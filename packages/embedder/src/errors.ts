/** What each code means for the caller: whether the same call may succeed later, and what to do about it. */
export const embedderErrors = {
  OPTIONS_INVALID: {
    retryable: false,
    remedy: 'Correct the options; `embedderOptions` describes each of them.',
  },
  TEXT_EMPTY: { retryable: false, remedy: 'Leave out texts that are empty or only white space.' },
  ASSET_UNREADABLE: {
    retryable: false,
    remedy: 'Install @mcp-worker/embedder again; its folder `assets` must be deployed with it.',
  },
  ENDPOINT_UNREACHABLE: {
    retryable: true,
    remedy: 'Check that the server at `baseUrl` runs and can be reached from here.',
  },
  REQUEST_TIMEOUT: { retryable: true, remedy: 'Raise `requestTimeoutMs` or lower `batchTexts`.' },
  RATE_LIMITED: {
    retryable: true,
    remedy: 'Lower `requestsPerMinute` or `concurrency`, or try again later.',
  },
  QUOTA_EXHAUSTED: { retryable: false, remedy: 'Raise the budget of the account behind `apiKey`.' },
  ENDPOINT_FAILED: { retryable: true, remedy: "Read the embedding server's own log." },
  REQUEST_REFUSED: {
    retryable: false,
    remedy: 'Check `baseUrl`, `model`, `apiKey`, and that no text is longer than the model takes.',
  },
  RESPONSE_UNREADABLE: {
    retryable: true,
    remedy: 'Check that `baseUrl` leads to the API, and what a proxy on the way makes of its answers.',
  },
  RESPONSE_INVALID: {
    retryable: false,
    remedy: 'Check that the server speaks the OpenAI embeddings API under `baseUrl`.',
  },
  DIMENSION_MISMATCH: {
    retryable: false,
    remedy: 'Set `dimension` to what the model gives, or `sendDimension` if the server can shorten vectors.',
  },
  EMBEDDER_CLOSED: { retryable: false, remedy: 'Open a new embedder.' },
} as const satisfies Record<string, { retryable: boolean; remedy: string }>

export type EmbedderErrorCode = keyof typeof embedderErrors

export interface EmbedderErrorDetails {
  cause?: unknown
  /** What the server asked for, in milliseconds. */
  retryAfterMs?: number | undefined
  /** Which of the texts of the call is to blame, from 0. */
  textIndex?: number | undefined
}

const brand = Symbol.for('@mcp-worker/embedder/error')

/**
 * Every failure of an embedder but an abort, which rejects with the signal's own reason. The message says what was
 * expected, what came and the remedy, and never holds the API key.
 */
export class EmbedderError extends Error {
  override readonly name = 'EmbedderError'
  readonly code: EmbedderErrorCode
  /** True if the same call may succeed later without anybody changing anything. */
  readonly retryable: boolean
  /** When to try again at the earliest, if the server said so. */
  readonly retryAfterMs?: number
  /** Set with `TEXT_EMPTY`: the text to leave out, from 0. */
  readonly textIndex?: number

  /** @param problem what was expected and what came, a sentence without its full stop */
  constructor(code: EmbedderErrorCode, problem: string, details: EmbedderErrorDetails = {}) {
    const { retryable, remedy } = embedderErrors[code]
    super(`${problem}. ${remedy}`, details.cause === undefined ? undefined : { cause: details.cause })
    this.code = code
    this.retryable = retryable
    if (details.retryAfterMs !== undefined) this.retryAfterMs = details.retryAfterMs
    if (details.textIndex !== undefined) this.textIndex = details.textIndex
    Object.defineProperty(this, brand, { value: true })
  }
}

/** By brand and not by class, so that two copies of this package understand each other. */
export function isEmbedderError(error: unknown): error is EmbedderError {
  return typeof error === 'object' && error !== null && brand in error
}
