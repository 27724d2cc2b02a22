import type { AbortReason, ChildOptions, PluginLog, PluginMetrics } from '../plugin.js'
import type { Progress, TaskError } from '../task.js'

/**
 * Where a plugin lives, seen from the worker: the same face for `inline.ts` and `thread.ts`. A host sets its plugin up, checks payloads, runs
 * handlers, asks queries and services. It knows nothing of queues, leases and retries.
 */
export interface PluginHost {
  /** Runs `setup` with the checked options. Rejects with what went wrong; nothing is left behind then. */
  start(signal: AbortSignal): Promise<void>
  /** Runs one delivery to its end. Never rejects: what happened is the answer. Aborts when `work.signal` does. */
  perform(work: Work): Promise<Outcome>
  /** Checked by the query's schemas on both sides. Rejects with `invalid_input`, `query_refused`, `query_failed`, or the abort reason. */
  query(name: string, input: unknown, signal: AbortSignal): Promise<unknown>
  /** Calls a method of a service that this plugin provides, for as long as the caller waits. */
  call(call: ServiceCall, signal: AbortSignal): Promise<unknown>
  /** Resolves where the plugin is well (or has no check), rejects with what is wrong. */
  health(signal: AbortSignal): Promise<void>
  /** Teardown, then the end of all threads, by the deadline; after it they are killed. */
  stop(deadlineMs: number): Promise<void>
}

/** One delivery as a host sees it. */
export interface Work {
  readonly fence: string
  readonly taskId: string
  readonly type: string
  readonly version: number
  /** JSON text as it was submitted. It is parsed, migrated to the newest version and checked here. */
  readonly payload: string
  readonly checkpoint: string | null
  readonly attempt: number
  readonly delivery: number
  /** Milliseconds since the epoch. */
  readonly deadline: number
  /** Aborted with an `AbortedWork`. Read only where a handler asks for its signal, since making one costs. */
  signal(): AbortSignal
  /** How long a host that acknowledged the abort may take until it is killed, in milliseconds. */
  readonly graceMs: number
  readonly reports: WorkReports
}

/** What a handler says while it works. */
export interface WorkReports {
  progress(progress: Progress): void
  /** Resolves when it is stored; rejects with `lease_lost` where the delivery isn't current any more. JSON text; null deletes. */
  checkpoint(value: string | null): Promise<void>
  /** The payload is JSON text. */
  submit(type: string, payload: string, options: ChildOptions): Promise<{ id: string; duplicate: boolean }>
  readonly log: PluginLog
}

/** What happened to a delivery. Pure data: it crosses the port. */
export type Outcome =
  /** JSON text of the checked result. */
  | { readonly kind: 'succeeded'; readonly result: string }
  | { readonly kind: 'invalid_payload'; readonly error: TaskError }
  /** The handler threw. `delayMs`: what a `RetryableError` asked for. */
  | {
      readonly kind: 'threw'
      readonly error: TaskError
      readonly permanent: boolean
      readonly delayMs: number | null
    }
  | { readonly kind: 'snoozed'; readonly until: number }
  /** It ended after the signal aborted, in time; `killed` says whether by itself. What it threw or returned then does not matter, unless it succeeded. */
  | { readonly kind: 'aborted'; readonly reason: AbortReason; readonly killed: boolean }
  /** An inline handler that ignored its signal: it may still be running, fenced off. */
  | { readonly kind: 'abandoned'; readonly reason: AbortReason }
  /** Its thread ended under it: memory, `process.exit`, an uncaught error. */
  | { readonly kind: 'crashed'; readonly error: TaskError }

/** The reason of an aborted `Work.signal`. */
export class AbortedWork extends Error {
  override readonly name = 'AbortError'
  readonly code = 'aborted'
  readonly reason: AbortReason

  constructor(reason: AbortReason) {
    super(`the work was stopped: ${reason}`)
    this.reason = reason
  }
}

export interface ServiceCall {
  readonly service: string
  readonly method: string
  readonly args: readonly unknown[]
}

/** What a host needs from the worker around it. */
export interface HostSurroundings {
  readonly options: unknown
  readonly dataDir: string
  readonly log: PluginLog
  readonly metrics: PluginMetrics
  /** Calls a service of another plugin, wherever it lives, for as long as the caller waits. Rejects with `service_unavailable`. */
  readonly callService: (call: ServiceCall, signal: AbortSignal) => Promise<unknown>
  /** Names of the services that some plugin of this worker provides. */
  readonly provided: ReadonlySet<string>
}
