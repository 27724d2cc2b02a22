import { EmbedderError, isEmbedderError } from '@mcp-worker/embedder'
import { isModelError, type ModelError } from '../errors.js'

/**
 * What `embed` of a loaded model rejects with: the Embedder's own errors, so that its callers need not know of models; and MODEL_GONE, as the port
 * has it. Aborts stay what they are.
 */
export function asEmbedderError(error: unknown): unknown {
  if (isEmbedderError(error) || !isModelError(error) || error.code === 'MODEL_GONE') return error
  const problem = `expected the model to embed, got ${error.code} (${error.message})`
  return new EmbedderError(codeFor(error), problem, {
    cause: error,
    retryAfterMs: error.retryAfterMs ?? undefined,
  })
}

function codeFor({ code, retryable }: ModelError) {
  if (code === 'ENDPOINT_UNREACHABLE') return 'ENDPOINT_UNREACHABLE'
  return retryable ? 'ENDPOINT_FAILED' : 'REQUEST_REFUSED'
}
