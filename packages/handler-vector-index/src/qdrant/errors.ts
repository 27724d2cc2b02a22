import { NonRetryableError, RetryableError } from '@mcp-worker/runtime'

/** What Qdrant, or the way to it, made of a request. */
export interface Fault {
  /** null: no answer came. */
  readonly status: number | null
  readonly message: string
}

/** A request failed in a way that the engine itself deals with. */
export class QdrantFault extends Error {
  override readonly name = 'QdrantFault'
  readonly kind: 'not_found' | 'exists'

  constructor(kind: 'not_found' | 'exists', message: string, cause: unknown) {
    super(message, { cause })
    this.kind = kind
  }
}

export function isNotFound(error: unknown): boolean {
  return error instanceof QdrantFault && error.kind === 'not_found'
}

function isThereAlready(error: unknown): boolean {
  return error instanceof QdrantFault && error.kind === 'exists'
}

/** For what is to be gone, and may be gone already. */
export async function ignoreMissing(work: Promise<unknown>): Promise<void> {
  try {
    await work
  } catch (error) {
    if (!isNotFound(error)) throw error
  }
}

export async function ignoreExisting(work: Promise<unknown>): Promise<void> {
  try {
    await work
  } catch (error) {
    if (!isThereAlready(error)) throw error
  }
}

/** Reads what the client throws: an `ApiError` with the status and Qdrant's envelope, or its own classes for 429 and for answers it cannot read. */
export function readFault(error: unknown): Fault {
  if (!(error instanceof Error)) return { status: null, message: String(error) }
  // the client reads one digit of Retry-After: beyond a digit it throws this
  const isRateLimit =
    error.name === 'QdrantClientResourceExhaustedError' ||
    error.message.startsWith('Invalid retryAfter value')
  if (isRateLimit) return { status: 429, message: 'too many requests' }
  const status = 'status' in error && typeof error.status === 'number' ? error.status : null
  if (status !== null) return { status, message: envelopeOf(error) ?? error.message }
  const cause = error.cause instanceof Error ? error.cause : error
  return {
    status: null,
    message: 'code' in cause && typeof cause.code === 'string' ? cause.code : cause.message,
  }
}

/** `{"status": {"error": "Wrong input: …"}}` */
function envelopeOf(error: Error): string | null {
  if (!('data' in error) || typeof error.data !== 'object' || error.data === null) return null
  const status: unknown = 'status' in error.data ? error.data.status : null
  if (typeof status !== 'object' || status === null || !('error' in status)) return null
  return typeof status.error === 'string' ? status.error.slice(0, 500) : null
}

export function mayPass({ status }: Fault): boolean {
  return status === null || status === 408 || status === 429 || (status >= 500 && status !== 507)
}

/** What a fault means to a task. `retryAfterMs`: what the server asked for. */
export function errorOf(fault: Fault, cause: unknown, retryAfterMs: number | null): Error {
  const { status, message } = fault
  const said = `Qdrant ${status ?? 'did not answer'}: ${message}`
  const delay = retryAfterMs === null ? {} : { delayMs: retryAfterMs }
  if (status === 404) return new QdrantFault('not_found', said, cause)
  if (status === 409) return new QdrantFault('exists', said, cause)
  if (status === 429) {
    return new RetryableError(`the vector store has too much to do (${said})`, {
      code: 'STORE_BUSY',
      cause,
      ...delay,
    })
  }
  if (status === 507 || /no space left|disk/i.test(message)) {
    return new RetryableError(`the disk of the vector store is full (${said})`, {
      code: 'STORE_FULL',
      cause,
      delayMs: retryAfterMs ?? 60_000,
    })
  }
  if (mayPass(fault)) {
    return new RetryableError(`the vector store cannot be reached, or broke off (${said})`, {
      code: 'STORE_UNAVAILABLE',
      cause,
      ...delay,
    })
  }
  return new NonRetryableError(`the vector store refused; check the url and the key (${said})`, {
    code: 'STORE_REFUSED',
    cause,
  })
}
