import type { z } from 'zod'

/**
 * The plugin contract, version 1: what a handler package exports, and what its code is given. Types flow from the schemas through
 * `definePlugin`; nothing is declared twice. docs/contract.md says what `contract: 1` promises.
 */
export const PLUGIN_CONTRACT = 1

/** Where a plugin lives. `thread`: one task at a time per thread, as many threads as its concurrency needs; a computing thread can be killed. */
export type HostKind = 'inline' | 'thread'

type Schema = z.ZodType

/** Milliseconds, or a number with a unit: `"250ms"`, `"30s"`, `"2m"`, `"24h"`, `"7d"`. */
export type Duration = number | `${number}${'ms' | 's' | 'm' | 'h' | 'd'}`

// ── payload versions ──────────────────────────────────────────────────────────────────────────────────────────────────

/** One schema (version 1), or schemas by version; `run` is given the newest. */
export type PayloadSpec = Schema | Readonly<Record<number, Schema>>

type Count<N extends number, Acc extends unknown[] = []> = Acc['length'] extends N
  ? Acc
  : Count<N, [...Acc, unknown]>
type Above<A extends number, B extends number> =
  Count<A> extends [...Count<B>, ...infer Rest] ? (Rest extends [] ? false : true) : false
/** The largest of a union of small whole numbers, so that `run` is typed by the newest version only. */
type Newest<V extends number, All extends number = V> = V extends V
  ? true extends (All extends All ? Above<All, V> : never)
    ? never
    : V
  : never

type NewestSchema<P extends PayloadSpec> = P extends Schema
  ? P
  : P extends Readonly<Record<number, Schema>>
    ? P[Newest<keyof P & number>]
    : never

/** What a submitter of the newest version sends, and what `run` is given. */
export type PayloadInput<P extends PayloadSpec> = z.input<NewestSchema<P>>
export type PayloadOutput<P extends PayloadSpec> = z.output<NewestSchema<P>>

/** From version N to N + 1, by the key N. It is given the validated old payload and answers the input of the next version. */
export type Migrations = Readonly<Record<number, (old: never) => unknown>>

// ── services ──────────────────────────────────────────────────────────────────────────────────────────────────────────

/**
 * A service's methods are asynchronous and their arguments and results can be cloned: it may live in another host. A call ends with the work that
 * made it: when the caller's signal aborts, it rejects with the signal's reason and the provider is told.
 */
export type ServiceShape = { readonly [method: string]: (...args: never[]) => Promise<unknown> }

/** A typed name by which one plugin offers methods to others. Two tokens with one name are the same service. */
export interface ServiceToken<T, Optional extends boolean = false> {
  readonly service: string
  readonly isOptional: Optional
  /** Carries the type; never set. */
  readonly shape?: T
  /** The same service, and no fault where nobody provides it: `undefined` then. */
  optional(): ServiceToken<T, true>
}

export function defineService<T extends { [K in keyof T]: (...args: never[]) => Promise<unknown> }>(
  service: string,
): ServiceToken<T> {
  const optional = (): ServiceToken<T, true> => ({ service, isOptional: true, optional })
  return { service, isOptional: false, optional }
}

type Tokens = Readonly<Record<string, ServiceToken<unknown, boolean>>>

export type ServicesOf<U extends Tokens> = {
  readonly [K in keyof U]: U[K] extends ServiceToken<infer T, infer Optional>
    ? Optional extends true
      ? T | undefined
      : T
    : never
}

// ── what code is given ────────────────────────────────────────────────────────────────────────────────────────────────

export type AbortReason = 'timeout' | 'cancel' | 'shutdown' | 'lease_lost'

type LogCall = (event: string, fields?: Readonly<Record<string, unknown>>) => void

/** One line per event; secrets are redacted, control characters stripped. Never log payloads. */
export interface PluginLog {
  readonly debug: LogCall
  readonly info: LogCall
  readonly warn: LogCall
  readonly error: LogCall
}

export interface InstrumentSpec<L extends string> {
  /** Without the prefix: `documents_total` of `@acme/handler-vector-index` is exposed as `mcp_worker_vector_index_documents_total`. */
  readonly name: string
  readonly help: string
  /** Values must come from a small fixed set: never ids, never error text. */
  readonly labels?: readonly L[]
}

/** Instruments of a plugin. They work the same in every host; updates cross the port. */
export interface PluginMetrics {
  counter<L extends string = never>(
    spec: InstrumentSpec<L>,
  ): { inc(labels?: Readonly<Record<L, string>>, by?: number): void }
  gauge<L extends string = never>(
    spec: InstrumentSpec<L>,
  ): { set(value: number, labels?: Readonly<Record<L, string>>): void }
  histogram<L extends string = never>(
    spec: InstrumentSpec<L> & { readonly buckets?: readonly number[] },
  ): { observe(value: number, labels?: Readonly<Record<L, string>>): void }
}

export interface SetupContext<O, S> {
  readonly options: O
  /** What is kept of them may be called until the teardown. A task's own end with the task: use those for its work. */
  readonly services: S
  readonly log: PluginLog
  readonly metrics: PluginMetrics
  /** Where the plugin may keep files: a folder of its own under the worker's DATA_DIR, made on first use by the plugin itself. */
  readonly dataDir: string
  /** Aborted when the worker gives up starting. */
  readonly signal: AbortSignal
}

export interface TaskInfo {
  readonly id: string
  readonly type: string
  /** The version that was submitted; the payload has been migrated to the newest. */
  readonly version: number
  /** 1 for the first try that counts. */
  readonly attempt: number
  /** 1 for the first time that it is handed to any worker. */
  readonly delivery: number
  /** When the time limit strikes, in milliseconds since the epoch. */
  readonly deadline: number
}

export interface ChildOptions {
  /** Names the child within its parent: the same parent and key is the same task, however often the parent is delivered. */
  readonly key: string
  readonly priority?: number
  readonly delay?: Duration
  readonly maxAttempts?: number
  readonly timeout?: Duration
}

export interface RunContext<P, D, S> {
  readonly payload: P
  /** What `setup` returned in this host. */
  readonly deps: D
  readonly services: S
  readonly task: TaskInfo
  /**
   * Aborts when the work should stop; `signal.reason` is a `DOMException`-like error whose `reason` property is an `AbortReason`. Stop at the
   * next safe point and throw (`signal.throwIfAborted()` will do). What ignores it is fenced off: a late result is refused. A getter: a spread of
   * the context does not carry it.
   */
  readonly signal: AbortSignal
  /** Units of work done; `total` null where it isn't known. Written at most twice a second, never backwards. */
  readonly progress: (done: number, total?: number | null, note?: string) => void
  readonly log: PluginLog
  readonly metrics: PluginMetrics
  /**
   * A small JSON value that survives a crash and comes back with the next delivery. `set` resolves when it is stored; while the store is away it
   * waits, until the work should stop.
   */
  readonly checkpoint: {
    readonly get: <T = unknown>() => T | null
    readonly set: (value: unknown) => Promise<void>
  }
  /** Submits a child task; while the store is away it waits, as `checkpoint.set` does. */
  readonly submit: (
    type: string,
    payload: unknown,
    options: ChildOptions,
  ) => Promise<{ readonly id: string; readonly duplicate: boolean }>
  /** `throw snooze(until)` or `return snooze(until)`: put the task off at no charge, until a date or for a duration. */
  readonly snooze: (until: Date | Duration) => never
}

export interface QueryContext<I, D, S> {
  readonly input: I
  readonly deps: D
  readonly services: S
  readonly signal: AbortSignal
  readonly log: PluginLog
}

export interface RetryPolicy {
  /** Charged attempts before the task is failed with `exhausted`. Default 5. */
  readonly maxAttempts?: number
  /** The backoff before the second attempt; it doubles each time, with full jitter. Default 1 s. */
  readonly minDelay?: Duration
  /** Default 5 min. */
  readonly maxDelay?: Duration
}

// ── definitions ───────────────────────────────────────────────────────────────────────────────────────────────────────

export interface HandlerSpec<P extends PayloadSpec, R extends Schema, D, S> {
  readonly payload: P
  readonly result: R
  /** One sentence for `GET /types` and `mcp-worker types`. */
  readonly description?: string
  /** Time limit of one delivery. Default: the worker's TASK_TIMEOUT. */
  readonly timeout?: Duration
  readonly retry?: RetryPolicy
  /** Deliveries at once per worker process, within WORKER_CONCURRENCY. Default: no cap of its own. */
  readonly concurrency?: number
  readonly migrate?: Migrations
  run(context: RunContext<PayloadOutput<P>, D, S>): Promise<z.input<R>> | z.input<R>
}

export interface Handler<
  Type extends string = string,
  P extends PayloadSpec = PayloadSpec,
  R extends Schema = Schema,
> {
  readonly type: Type
  readonly payload: P
  readonly result: R
  readonly spec: ErasedHandlerSpec
}

export interface QuerySpec<I extends Schema, O extends Schema, D, S> {
  readonly input: I
  readonly output: O
  readonly description?: string
  /** Default 10 s. */
  readonly timeout?: Duration
  run(context: QueryContext<z.output<I>, D, S>): Promise<z.input<O>> | z.input<O>
}

export interface Query<Name extends string = string, I extends Schema = Schema, O extends Schema = Schema> {
  readonly name: Name
  readonly input: I
  readonly output: O
  readonly spec: ErasedQuerySpec
}

/** A handler as the runtime sees it: payloads are checked by its schemas before `run` is called. */
export type ErasedHandlerSpec = Omit<HandlerSpec<PayloadSpec, Schema, unknown, unknown>, 'run'> & {
  run(context: RunContext<unknown, unknown, unknown>): unknown
}
export type ErasedQuerySpec = Omit<QuerySpec<Schema, Schema, unknown, unknown>, 'run'> & {
  run(context: QueryContext<unknown, unknown, unknown>): unknown
}

export type HandlerMaker<D, S> = <const Type extends string, P extends PayloadSpec, R extends Schema>(
  type: Type,
  spec: HandlerSpec<P, R, D, S>,
) => Handler<Type, P, R>

export type QueryMaker<D, S> = <const Name extends string, I extends Schema, O extends Schema>(
  name: Name,
  spec: QuerySpec<I, O, D, S>,
) => Query<Name, I, O>

export interface ProvidedService {
  readonly token: ServiceToken<unknown, boolean>
  readonly implement: (context: { readonly deps: unknown; readonly signal: AbortSignal }) => unknown
}

/**
 * `implement` is called for each call of a method: what lives longer belongs into `deps`. The signal is that call's: it aborts when the caller
 * does not wait any more (its task was cancelled, timed out, or its thread ended).
 */
export type ServiceMaker<D> = <T>(
  token: ServiceToken<T>,
  implement: (context: { readonly deps: D; readonly signal: AbortSignal }) => NoInfer<T>,
) => ProvidedService

export interface PluginDefinition<
  O extends Schema,
  D,
  U extends Tokens,
  Hs extends readonly Handler[],
  Qs extends readonly Query[],
> {
  readonly contract: 1
  /** The npm name of the package. */
  readonly name: string
  readonly version: string
  /** `import.meta.url`: a thread imports this module and calls its default export with the options. */
  readonly module: string
  /** Checked before anything is set up. What it answers must be cloneable where the plugin lives in a thread. */
  readonly options: O
  readonly uses?: U
  /** Write it below `setup`: the type of `deps` comes from there. */
  readonly provides?: (provide: ServiceMaker<NoInfer<D>>) => readonly ProvidedService[]
  /** Default `inline`; the operator may override it. */
  readonly host?: HostKind
  /** Heap limit of each thread in MiB; Buffers are outside it. Default 512. */
  readonly threadMemoryMb?: number
  /** How long `setup` may take: the worker refuses to start after that. Default 1 minute. */
  readonly setupTimeout?: Duration
  readonly setup?: (context: SetupContext<z.output<O>, ServicesOf<NoInfer<U>>>) => Promise<D> | D
  readonly health?: (context: {
    readonly deps: NoInfer<D>
    readonly signal: AbortSignal
  }) => Promise<void> | void
  readonly teardown?: (context: { readonly deps: NoInfer<D> }) => Promise<void> | void
  readonly handlers?: (handler: HandlerMaker<NoInfer<D>, ServicesOf<NoInfer<U>>>) => Hs
  readonly queries?: (query: QueryMaker<NoInfer<D>, ServicesOf<NoInfer<U>>>) => Qs
}

/** A plugin with its options, as `createWorker` takes it. */
export interface Plugin<
  Hs extends readonly Handler[] = readonly Handler[],
  Qs extends readonly Query[] = readonly Query[],
> {
  readonly contract: number
  readonly name: string
  readonly version: string
  readonly module: string
  readonly host: HostKind
  readonly threadMemoryMb: number
  readonly setupTimeout: Duration
  /** As given by the caller, before the schema. */
  readonly givenOptions: unknown
  readonly optionsSchema: Schema
  readonly uses: Tokens
  readonly provides: readonly ProvidedService[]
  readonly handlers: Hs
  readonly queries: Qs
  readonly setup: (context: SetupContext<unknown, unknown>) => unknown
  readonly health: ((context: { readonly deps: unknown; readonly signal: AbortSignal }) => unknown) | null
  readonly teardown: ((context: { readonly deps: unknown }) => unknown) | null
}

/** Called with the options; they may be left out where the schema accepts `{}`. */
export type PluginFactory<O, Hs extends readonly Handler[], Qs extends readonly Query[]> = (
  ...options: {} extends O ? [options?: O] : [options: O]
) => Plugin<Hs, Qs>

/**
 * Declares a plugin. The answer is the package's default export: a function from options to a plugin.
 *
 * Nothing is checked here but by the compiler; the worker's handshake checks everything at once and lists all problems.
 */
export function definePlugin<
  O extends Schema,
  D = undefined,
  U extends Tokens = {},
  const Hs extends readonly Handler[] = readonly [],
  const Qs extends readonly Query[] = readonly [],
>(definition: PluginDefinition<O, D, U, Hs, Qs>): PluginFactory<z.input<O>, Hs, Qs> {
  return (...given) => erase(definition, given[0] ?? {})
}

/** From here on the runtime handles plugins of any type; the schemas guard at run time what the compiler has checked. */
function erase<
  O extends Schema,
  D,
  U extends Tokens,
  Hs extends readonly Handler[],
  Qs extends readonly Query[],
>(definition: PluginDefinition<O, D, U, Hs, Qs>, givenOptions: unknown): Plugin<Hs, Qs> {
  return {
    contract: definition.contract,
    name: definition.name,
    version: definition.version,
    module: definition.module,
    host: definition.host ?? 'inline',
    threadMemoryMb: definition.threadMemoryMb ?? 512,
    setupTimeout: definition.setupTimeout ?? '1m',
    givenOptions,
    optionsSchema: definition.options,
    uses: definition.uses ?? {},
    provides: definition.provides?.(makeService) ?? [],
    handlers: (definition.handlers?.(makeHandler as HandlerMaker<D, ServicesOf<U>>) ?? []) as unknown as Hs,
    queries: (definition.queries?.(makeQuery as QueryMaker<D, ServicesOf<U>>) ?? []) as unknown as Qs,
    setup: (definition.setup ?? (() => {})) as Plugin['setup'],
    health: (definition.health ?? null) as Plugin['health'],
    teardown: (definition.teardown ?? null) as Plugin['teardown'],
  }
}

function makeHandler(type: string, spec: unknown): Handler {
  const erased = spec as ErasedHandlerSpec
  return { type, payload: erased.payload, result: erased.result, spec: erased }
}

function makeQuery(name: string, spec: unknown): Query {
  const erased = spec as ErasedQuerySpec
  return { name, input: erased.input, output: erased.output, spec: erased }
}

function makeService(token: ServiceToken<unknown>, implement: unknown): ProvidedService {
  return { token, implement: implement as ProvidedService['implement'] }
}
