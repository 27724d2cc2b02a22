import {
  type Embedder,
  type EmbedderOptions,
  fingerprintText,
  isEmbedderError,
  openEmbedder,
} from '@mcp-worker/embedder'
import { NonRetryableError, RetryableError } from '@mcp-worker/runtime'
import { orAbort } from './or-abort.js'

/** The embedder as this package uses it: opened at the first text, with the runtime's errors. */
export interface TextEmbedder {
  /** Opens it. At an abort the opening goes on, for the next who asks. */
  describe(signal: AbortSignal): Promise<{ readonly fingerprint: string; readonly dim: number }>
  embed(texts: readonly string[], signal: AbortSignal): Promise<readonly Float32Array[]>
  close(): Promise<void>
}

/** Opened once; an opening that failed is tried again at the next call. */
export function createLazyEmbedder(
  options: EmbedderOptions,
  open: (options: EmbedderOptions) => Promise<Embedder> = openEmbedder,
): TextEmbedder {
  let opening: Promise<Embedder> | null = null
  const opened = (): Promise<Embedder> => {
    opening ??= open(options).catch((error: unknown) => {
      opening = null
      throw classify(error)
    })
    return opening
  }
  return {
    async describe(signal) {
      const { fingerprint } = await orAbort(opened(), signal)
      return { fingerprint: fingerprintText(fingerprint), dim: fingerprint.dimension }
    },
    async embed(texts, signal) {
      const embedder = await orAbort(opened(), signal)
      return embedder.embed(texts, { signal }).catch((error: unknown) => {
        throw classify(error)
      })
    },
    async close() {
      const embedder = await opening?.catch(() => null)
      await embedder?.close?.()
    },
  }
}

function classify(error: unknown): unknown {
  if (!isEmbedderError(error)) return error
  const options = { code: error.code, cause: error }
  if (!error.retryable) return new NonRetryableError(error.message, options)
  const { retryAfterMs } = error
  return new RetryableError(error.message, {
    ...options,
    ...(retryAfterMs !== undefined && { delayMs: retryAfterMs }),
  })
}
