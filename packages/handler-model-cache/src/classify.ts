import { NonRetryableError, RetryableError } from '@mcp-worker/runtime'
import { isModelError } from './errors.js'

/** A failure of the cache as the runtime takes it: permanent, or retryable with its delay. Everything else as it came. */
export function classify(error: unknown): unknown {
  if (!isModelError(error)) return error
  const { code, message, retryable, retryAfterMs } = error
  if (!retryable) return new NonRetryableError(message, { code, cause: error })
  return new RetryableError(message, {
    code,
    cause: error,
    ...(retryAfterMs !== null && { delayMs: retryAfterMs }),
  })
}
