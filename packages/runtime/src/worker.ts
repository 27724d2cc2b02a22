import type { Registry } from 'prom-client'
import type { z } from 'zod'
import type { QueryInfo, TypeInfo } from './describe.js'
import type { HealthReport } from './health.js'
import type { Handler, PayloadInput, Plugin, Query } from './plugin.js'
import type { ListFilter, QueueCounts, TaskPage } from './queue.js'
import { WorkerError } from './errors.js'
import type { ScheduleInfo } from './schedule/schedules.js'
import { startWorker, type RunningWorker } from './running-worker.js'
import type { StopOutcome } from './shutdown.js'
import type { Accepted, Submission, SubmitOptions } from './submit.js'
import type { Task } from './task.js'
import { settingsOf, type WorkerOptions } from './worker-options.js'

/** An accepted task, with a way to wait for its result. */
export interface TaskHandle<R> extends Accepted {
  /** Resolves with the result; rejects with the task's error (`WorkerError` with its code) when it failed or was cancelled. */
  result(options?: { readonly signal?: AbortSignal }): Promise<R>
}

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
  schedules(): Promise<readonly ScheduleInfo[]>
  /** Rejects with `unknown_query`, `invalid_input` (faults), `query_refused`, `query_failed`. */
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
  /** Stops within `timeoutMs` + 1 s, in the phases of docs/operating.md. A second call joins the first. */
  stop(options?: { readonly timeoutMs?: number }): Promise<StopOutcome>
}

export type WorkerFor<Ps extends readonly Plugin[]> = Worker<AllHandlers<Ps>, AllQueries<Ps>>

/** Makes a worker; nothing happens before `start`. Throws `bad_configuration` with all faults at once. */
export function createWorker<const Ps extends readonly Plugin[]>(options: WorkerOptions<Ps>): WorkerFor<Ps> {
  const settings = settingsOf(options)
  let running: RunningWorker | null = null
  let starting: Promise<RunningWorker> | null = null
  let stopping: Promise<StopOutcome> | null = null

  function live(): RunningWorker {
    if (running) return running
    throw new WorkerError('queue_closed', 'the worker has not been started')
  }
  function accepting(): RunningWorker {
    if (stopping) throw new WorkerError('draining', 'the worker is shutting down', { retryAfterMs: 5000 })
    return live()
  }
  async function stop(timeoutMs: number): Promise<StopOutcome> {
    if (!starting) return 'drained'
    const started = await starting.catch(() => null)
    await started?.checked
    return started ? started.stop(timeoutMs) : 'drained'
  }

  const worker: Worker = {
    registry: settings.registry,
    async start() {
      if (stopping && !starting) throw new WorkerError('draining', 'the worker was stopped: make a new one')
      starting ??= startWorker(settings)
      // before the first health check has ended: its handlers run already, and may submit
      running = await starting
      await running.checked
    },
    async submit(type, payload, submitOptions) {
      const started = accepting()
      const accepted = await started.submit({ ...submitOptions, type, payload })
      return {
        ...accepted,
        result: (resultOptions) => started.resultOf(accepted.id, resultOptions?.signal) as never,
      }
    },
    submitMany: async (submissions) => accepting().submitMany(submissions),
    get: async (id) => live().queue.get(id),
    wait: async (id, waitOptions) => live().waits.wait(id, waitOptions),
    list: async (filter) => live().queue.list(filter),
    counts: async () => live().queue.counts(),
    cancel: async (id) => live().cancel(id),
    replay: async (id) => accepting().replay(id),
    pause: async (type) => live().queue.pause(type),
    resume: async (type) => live().queue.resume(type),
    types: async () => live().types(),
    queries: () => live().queries(),
    schedules: async () => live().schedules(),
    query: async (name, input, queryOptions) => live().query(name, input, queryOptions?.signal) as never,
    checkHealth: async () => live().checkHealth(),
    lastHealth: () => running?.lastHealth() ?? null,
    notReady: () => (stopping ? ['draining'] : (running?.notReady() ?? ['starting'])),
    stop: ({ timeoutMs = 25_000 } = {}) => (stopping ??= stop(timeoutMs)),
  }
  // the one place where the erased worker gets its types back: `submit` and `query` check at run time what they promise here
  return worker
}
