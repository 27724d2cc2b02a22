import { isModelError, type ModelErrorCode } from '../../errors.js'

/** A failure as it crosses from a host (a thread or child) to the engine, which makes a `ModelError` of it. Data only. */
export interface EngineFault {
  readonly code: ModelErrorCode
  /** What was expected and what came, a sentence without its full stop. */
  readonly problem: string
  readonly retryAfterMs?: number
}

/** Thrown by code that runs in hosts. */
export class FaultError extends Error {
  override readonly name = 'FaultError'
  readonly fault: EngineFault

  constructor(fault: EngineFault) {
    super(fault.problem)
    this.fault = fault
  }
}

export function throwFault(code: ModelErrorCode, problem: string): never {
  throw new FaultError({ code, problem })
}

/** What crosses for anything that code in a host threw. What nobody classed may succeed another time: `LOAD_FAILED`. */
export function faultOf(error: unknown): EngineFault {
  if (error instanceof FaultError) return error.fault
  const problem = error instanceof Error ? error.message : String(error)
  return { code: isModelError(error) ? error.code : 'LOAD_FAILED', problem }
}
