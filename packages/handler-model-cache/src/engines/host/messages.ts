import type { EngineFault } from './engine-fault.js'

/** What a host offers, by name. A type to infer from: `typeof calls` of the module that runs in the host. */
export type HostCalls = Readonly<Record<string, (input: never, context: CallContext) => unknown>>

export interface CallContext {
  readonly progress: ReportProgress
  /** Aborted when nobody waits for the answer any more. Code that does not return to its event loop does not see it. */
  readonly signal: AbortSignal
}

export type ReportProgress = (doneBytes: number, totalBytes: number | null) => void

export type InputOf<Call> = Call extends (input: infer I, ...rest: never[]) => unknown ? I : never
export type OutputOf<Call> = Call extends (...args: never[]) => infer O ? Awaited<O> : never

/** To the host. */
export type HostRequest =
  | { readonly id: number; readonly call: string; readonly input: unknown }
  | { readonly id: number; readonly cancel: true }

/** From the host. */
export type HostReply =
  | {
      readonly kind: 'progress'
      readonly id: number
      readonly doneBytes: number
      readonly totalBytes: number | null
    }
  | { readonly kind: 'done'; readonly id: number; readonly output: unknown }
  | { readonly kind: 'failed'; readonly id: number; readonly fault: EngineFault }
