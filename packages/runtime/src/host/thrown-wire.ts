import {
  isNonRetryable,
  isWorkerError,
  NonRetryableError,
  RetryableError,
  retryDelayOf,
  WorkerError,
  type ErrorCode,
  type Fault,
} from '../errors.js'

/** Something thrown that crosses a port: a structured clone would lose class, code and brands, and fail on what it cannot copy. */
export interface WireThrown {
  readonly kind: 'worker' | 'permanent' | 'retryable' | 'plain'
  readonly name: string
  readonly message: string
  readonly code: string | null
  readonly faults: readonly Fault[]
  readonly details: Readonly<Record<string, unknown>>
  readonly delayMs: number | null
  readonly cause: WireThrown | null
}

const MAX_CAUSES = 8

/** Never throws. */
export function toThrownWire(thrown: unknown, depth = 0): WireThrown {
  try {
    return describe(thrown, depth)
  } catch {
    return { ...PLAIN, message: 'something was thrown that cannot be read' }
  }
}

const PLAIN: WireThrown = {
  kind: 'plain',
  name: 'Error',
  message: '',
  code: null,
  faults: [],
  details: {},
  delayMs: null,
  cause: null,
}

function describe(thrown: unknown, depth: number): WireThrown {
  if (typeof thrown !== 'object' || thrown === null) return { ...PLAIN, message: String(thrown) }
  const { name, message, code, cause } = thrown as Readonly<Record<string, unknown>>
  const wire: WireThrown = {
    ...PLAIN,
    name: typeof name === 'string' ? name : 'Error',
    message: typeof message === 'string' ? message : 'a non-error was thrown',
    code: typeof code === 'string' ? code : null,
    cause: cause === undefined || depth >= MAX_CAUSES ? null : toThrownWire(cause, depth + 1),
  }
  if (isWorkerError(thrown)) {
    const { faults, details, retryAfterMs } = thrown
    return { ...wire, kind: 'worker', faults, details: cloneable(details), delayMs: retryAfterMs }
  }
  if (isNonRetryable(thrown)) return { ...wire, kind: 'permanent' }
  return name === 'RetryableError' ? { ...wire, kind: 'retryable', delayMs: retryDelayOf(thrown) } : wire
}

function cloneable(details: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  try {
    return structuredClone(details)
  } catch {
    return {}
  }
}

/** An error with the code, brand and causes of the one that was thrown on the other side. */
export function fromThrownWire(wire: WireThrown): Error {
  const cause = wire.cause === null ? {} : { cause: fromThrownWire(wire.cause) }
  const code = wire.code ?? 'handler_failed'
  switch (wire.kind) {
    case 'worker': {
      const { faults, details, delayMs } = wire
      const retry = delayMs === null ? {} : { retryAfterMs: delayMs }
      return new WorkerError(code as ErrorCode, wire.message, { faults, details, ...retry, ...cause })
    }
    case 'permanent':
      return new NonRetryableError(wire.message, { code, ...cause })
    case 'retryable':
      return new RetryableError(wire.message, {
        code,
        ...(wire.delayMs === null ? {} : { delayMs: wire.delayMs }),
        ...cause,
      })
    default: {
      const error = new Error(wire.message, cause)
      error.name = wire.name
      return wire.code === null ? error : Object.assign(error, { code: wire.code })
    }
  }
}
