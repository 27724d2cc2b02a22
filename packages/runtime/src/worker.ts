import type { Logger } from 'pino'
import type { Registry } from 'prom-client'
import type { z } from 'zod'
import type { Duration, Handler, HostKind, PayloadInput, Plugin, Query } from './plugin.js'
import type { ListFilter, QueueCounts, QueueDriver, QueueLimits, Retention, TaskPage } from './queue.js'
import type { Task, TaskStatus } from './task.js'

/** What `createWorker` takes. Durations: milliseconds or `"30s"`. */
export interface WorkerOptions<Ps extends readonly Plugin[]> {
  readonly plugins: Ps
  readonly queue: QueueDriver
  /** `all` (default) · `api`: accepts, runs nothing · `worker`: runs. The runtime itself treats `worker` like `all`. */
  readonly role?: 'all' | 'api' | 'worker'
  /** Tasks at once in this process. Default 4. */
  readonly concurrency?: number
  /** Time limit of a delivery where neither task nor handler sets one. Default 300 s. */
  readonly taskTimeout?: Duration
  /** From the abort signal to the kill, for hosts that acknowledged it. Default 5 s. */
  readonly abortGrace?: Duration
  /** Default 30 s. */
  readonly healthCheckInterval?: Duration
  /** Plugins keep their files below it. Default `./data`. */
  readonly dataDir?: string
  /** The operator's word on where plugins live, by plugin name; it wins over the plugin's own. */
  readonly hosts?: Readonly<Record<string, HostKind>>
  readonly limits?: Partial<QueueLimits>
  readonly retention?: Partial<Retention>
  /** Services that `health_check` asks: `tcp://host:port` or `http(s)://…`. */
  readonly serviceChecks?: readonly ServiceCheck[]
  /** Default: JSON lines on standard output, level info (`createLogger`). */
  readonly logger?: Logger
  /** Default: a registry of its own. */
  readonly registry?: Registry
  /** Called when the store cannot be trusted any more; the process should end with exit code 74. */
  readonly onFatal?: (error: Error) => void
}

export interface ServiceCheck {
  readonly name: string
  readonly url: string
}

export interface SubmitOptions {
  /** Default: a new UUIDv7. `[A-Za-z0-9][A-Za-z0-9._:-]{0,127}` */
  readonly id?: string
  /** Default: the newest that the handler has. */
  readonly version?: number
  /** −100 … 100, default 0; one point is worth a minute of waiting. */
  readonly priority?: number
  readonly runAt?: Date
  readonly delay?: Duration
  readonly maxAttempts?: number
  readonly timeout?: Duration
  /** Not started by then: failed with `expired`. */
  readonly expiresAt?: Date
  readonly idempotency?: { readonly scope?: string; readonly key: string }
}

export interface Submission extends SubmitOptions {
  readonly type: string
  readonly payload: unknown
}

/** Of a duplicate whose task was pruned already, `status` is null. */
export interface Accepted {
  readonly id: string
  readonly type: string
  readonly status: TaskStatus | null
  /** Milliseconds since the epoch. */
  readonly createdAt: number
  /** True: this submit made no task; the first one with the same id or key is answered. */
  readonly duplicate: boolean
}

/** An accepted task, with a way to wait for its result. */
export interface TaskHandle<R> extends Accepted {
  /** Resolves with the result; rejects with the task's error (`WorkerError` with its code) when it failed or was cancelled. */
  result(options?: { readonly signal?: AbortSignal }): Promise<R>
}

export interface TypeInfo {
  readonly type: string
  readonly plugin: { readonly name: string; readonly version: string; readonly host: HostKind }
  readonly description: string | null
  readonly versions: readonly number[]
  /** JSON Schema (2020-12, input side) of each version's payload. */
  readonly payload: Readonly<Record<number, unknown>>
  readonly result: unknown
  readonly timeoutMs: number
  readonly maxAttempts: number
  readonly concurrency: number
  readonly paused: boolean
}

export interface QueryInfo {
  readonly name: string
  readonly plugin: { readonly name: string; readonly version: string; readonly host: HostKind }
  readonly description: string | null
  /** JSON Schemas. */
  readonly input: unknown
  readonly output: unknown
}

export interface HealthCheckResult {
  readonly name: string
  readonly ok: boolean
  readonly detail: Readonly<Record<string, unknown>>
}

export interface HealthReport {
  readonly ok: boolean
  /** Milliseconds since the epoch. */
  readonly checkedAt: number
  readonly checks: readonly HealthCheckResult[]
}

export type StopOutcome = 'drained' | 'released' | 'forced'

type AllHandlers<Ps extends readonly Plugin[]> = Ps[number]['handlers'][number]
type AllQueries<Ps extends readonly Plugin[]> = Ps[number]['queries'][number]
type HandlerOf<H extends Handler, T extends string> = Extract<H, { readonly type: T }>
type QueryOf<Q extends Query, N extends string> = Extract<Q, { readonly name: N }>

export interface Worker<H extends Handler = Handler, Q extends Query = Query> {
  /**
   * Handshake, store, plugins, loop, in this order. Rejects with `handshake_failed` or `bad_configuration` (all problems at once in `faults`), or with what the store says.
   */
  start(): Promise<void>
  /** Rejects with a `WorkerError` of the submit codes (see errors.ts). */
  submit<T extends H['type']>(
    type: T,
    payload: PayloadInput<HandlerOf<H, T>['payload']>,
    options?: SubmitOptions,
  ): Promise<TaskHandle<z.output<HandlerOf<H, T>['result']>>>
  /** Accepts all or none; rejects with the faults of every item (`tasks[3].payload.width`). */
  submitMany(submissions: readonly Submission[]): Promise<readonly Accepted[]>
  get(id: string): Promise<Task | null>
  /** Holds until the task is final or the time is up; answers the task as it then stands. Never hangs. */
  wait(
    id: string,
    options: { readonly timeoutMs: number; readonly signal?: AbortSignal },
  ): Promise<Task | null>
  list(filter: ListFilter): Promise<TaskPage>
  counts(): Promise<QueueCounts>
  /** `requested`: it runs, and is told. Rejects with `already_final` or `not_found`. */
  cancel(id: string): Promise<'cancelled' | 'requested'>
  /** Rejects with `not_replayable` or `not_found`. */
  replay(id: string): Promise<void>
  pause(type: string): Promise<void>
  resume(type: string): Promise<void>
  types(): Promise<readonly TypeInfo[]>
  queries(): readonly QueryInfo[]
  /** Rejects with `unknown_query`, `invalid_input` (faults), `query_failed`. */
  query<N extends Q['name']>(
    name: N,
    input: z.input<QueryOf<Q, N>['input']>,
    options?: { readonly signal?: AbortSignal },
  ): Promise<z.output<QueryOf<Q, N>['output']>>
  /** Runs the checks now and keeps the report. */
  checkHealth(): Promise<HealthReport>
  /** The last report; null before the first. */
  lastHealth(): HealthReport | null
  /** Empty: ready. Else why not (`starting`, `draining`, `store`, …). */
  notReady(): readonly string[]
  readonly registry: Registry
  /** Stops within `timeoutMs` + 1 s, in the phases of docs/operations.md. A second call joins the first. */
  stop(options?: { readonly timeoutMs?: number }): Promise<StopOutcome>
}

export type WorkerFor<Ps extends readonly Plugin[]> = Worker<AllHandlers<Ps>, AllQueries<Ps>>

export declare function createWorker<const Ps extends readonly Plugin[]>(
  options: WorkerOptions<Ps>,
): WorkerFor<Ps>
