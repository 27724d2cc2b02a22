import { NonRetryableError, RetryableError } from '@mcp-worker/runtime'
import { isModelError, type ModelError } from './errors.js'

/** A failure of the cache as the runtime takes it: permanent, or retryable with its delay. Everything else as it came. */
export function classify(error: unknown): unknown {
  if (!isModelError(error)) return error
  const { code, message, retryable, retryAfterMs } = error
  const cause = causeOf(error)
  const because = cause === undefined ? {} : { cause }
  if (!retryable) return new NonRetryableError(message, { code, ...because })
  return new RetryableError(message, {
    code,
    ...because,
    ...(retryAfterMs !== null && { delayMs: retryAfterMs }),
  })
}

/** What the message does not say already: the runtime shows both. */
function causeOf({ message, cause }: ModelError): unknown {
  return isModelError(cause) && message.includes(cause.problem) ? causeOf(cause) : cause
}
