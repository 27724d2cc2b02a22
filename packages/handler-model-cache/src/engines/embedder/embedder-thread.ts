import {
  type Embedder,
  type EmbedderErrorCode,
  embedderErrors,
  isEmbedderError,
  openEmbedder,
} from '@mcp-worker/embedder'
import type { EmbedderOptions, Fingerprint } from '@mcp-worker/embedder'
import { FaultError, throwFault } from '../host/engine-fault.js'
import type { CallContext } from '../host/messages.js'
import { serve } from '../host/serve.js'

/** An embedder's error, as data. */
export interface EmbedderFault {
  readonly code: EmbedderErrorCode
  readonly problem: string
  readonly retryAfterMs: number | undefined
  readonly textIndex: number | undefined
}

export type EmbedOutput = { readonly vectors: readonly Float32Array[] } | { readonly fault: EmbedderFault }

let embedder: Embedder | null = null

const calls = {
  /** Opens it and embeds one text, so that what it reads on first use is in memory. */
  async load(
    options: EmbedderOptions,
    { signal }: CallContext,
  ): Promise<{ fingerprint: Fingerprint; bytes: number }> {
    const before = ownBytes()
    try {
      embedder = await openEmbedder(options, { signal })
      await embedder.embed(['first'], { signal })
    } catch (error) {
      if (isEmbedderError(error)) throw new FaultError(loadFault(faultData(error)))
      throw error
    }
    return { fingerprint: embedder.fingerprint, bytes: threadBytes + Math.max(0, ownBytes() - before) }
  },
  async embed(texts: readonly string[], { signal }: CallContext): Promise<EmbedOutput> {
    if (!embedder) return throwFault('LOAD_FAILED', 'expected a loaded embedder, got none')
    try {
      return { vectors: await embedder.embed(texts, { signal }) }
    } catch (error) {
      if (isEmbedderError(error)) return { fault: faultData(error) }
      throw error
    }
  },
}

export type EmbedderCalls = typeof calls

serve(calls)

/** What a thread takes before it does anything: its heap and stack. Measured: docs/engines.md. */
const threadBytes = 10 * 1024 * 1024

/** Of this thread alone. */
function ownBytes(): number {
  const { heapTotal, external } = process.memoryUsage()
  return heapTotal + external
}

function faultData(
  error: Error & { code: EmbedderErrorCode; retryAfterMs?: number; textIndex?: number },
): EmbedderFault {
  const { code, message, retryAfterMs, textIndex } = error
  // the other side adds the remedy again
  const problem = message.replace(`. ${embedderErrors[code].remedy}`, '')
  return { code, problem, retryAfterMs, textIndex }
}

const loadCodes = {
  OPTIONS_INVALID: 'MODEL_UNSUPPORTED',
  ASSET_UNREADABLE: 'MODEL_CORRUPT',
  ENDPOINT_UNREACHABLE: 'ENDPOINT_UNREACHABLE',
  QUOTA_EXHAUSTED: 'ENDPOINT_REFUSED',
  REQUEST_REFUSED: 'ENDPOINT_REFUSED',
  RESPONSE_INVALID: 'ENDPOINT_REFUSED',
  DIMENSION_MISMATCH: 'MODEL_UNSUPPORTED',
} as const satisfies Partial<Record<EmbedderErrorCode, string>>

function loadFault({ code, problem, retryAfterMs }: EmbedderFault) {
  const known = Object.entries(loadCodes).find(([embedderCode]) => embedderCode === code)?.[1]
  const retry = retryAfterMs === undefined ? {} : { retryAfterMs }
  return { code: known ?? ('ENDPOINT_FAILED' as const), problem, ...retry }
}
