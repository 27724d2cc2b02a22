import { isWorkerError, WorkerError, type ErrorCode, type Fault } from './errors.js'

/** An error that crosses from thread to thread: a structured clone would lose its code and class. */
export interface WireError {
  readonly code: ErrorCode
  readonly message: string
  readonly faults: readonly Fault[]
  readonly details: Readonly<Record<string, unknown>>
  readonly retryAfterMs: number | null
}

/** Errors of other kinds get `fallback` as their code and keep their message. */
export function toWire(error: unknown, fallback: ErrorCode): WireError {
  if (isWorkerError(error)) {
    const { code, message, faults, details, retryAfterMs } = error
    return { code, message, faults, details, retryAfterMs }
  }
  const message = error instanceof Error ? error.message : String(error)
  return { code: fallback, message, faults: [], details: {}, retryAfterMs: null }
}

export function fromWire(wire: WireError): WorkerError {
  const { retryAfterMs, faults, details } = wire
  return new WorkerError(wire.code, wire.message, {
    faults,
    details,
    ...(retryAfterMs === null ? {} : { retryAfterMs }),
  })
}
