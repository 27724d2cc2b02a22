import type { LoadedModel, ModelEngine, ModelRef, WarmupTimes } from './engine.js'
import type { Ledger } from './ledger.js'
import { NO_REQUESTS, type RequestRate } from './request-rate.js'
import { canFollow, type ModelState } from './states.js'

export const PRIORITIES = ['low', 'normal', 'high', 'critical'] as const
export type Priority = (typeof PRIORITIES)[number]

export const EVICT_RULES = ['none', 'lower_priority', 'any'] as const
/** Whom a request may push out: nobody, models that were asked for with a lower priority only, any. */
export type EvictRule = (typeof EVICT_RULES)[number]

export const EVICT_REASONS = ['room', 'memory', 'idle', 'asked'] as const
/** Why a model was unloaded: another one needed the room, the machine ran out of memory, nobody used it for its keep_alive, somebody asked for it. */
export type EvictReason = (typeof EVICT_REASONS)[number]

export interface WarmupWish {
  readonly runs: number
  readonly inputs?: unknown
  readonly prompt?: string
  readonly maxMs: number
}

/** What somebody wants to have in memory, and how. */
export interface ModelWish {
  readonly model: ModelRef
  readonly engine: ModelEngine
  /** 0 (low) … 3 (critical). */
  readonly priority: number
  readonly evict: EvictRule
  /** In place of the engine's estimate. */
  readonly memoryBytes: number | null
  /** null: no warmup. */
  readonly warmup: WarmupWish | null
  /** Idle time after which it is unloaded, in milliseconds; null: never for idleness; undefined: as it is for a model in memory, else as the options say. */
  readonly keepAliveMs: number | null | undefined
  /** Another spelling is tried where this one is not found: that is no failed request. */
  readonly isGuess: boolean
  /** Pinned from the moment that it is ready. */
  readonly pin: boolean
  /** Try again although the backoff of the last failure is not over. */
  readonly force: boolean
}

/** Why a wish was not granted although nothing is wrong: pins, or the wish's own rule, keep too much of the memory. */
export type RefusalReason = 'pinned' | 'rule'

/** It was in memory; this request's load brought it there; another one's did. */
export type Arrived = 'hit' | 'loaded' | 'joined'

export type Arrival =
  | { readonly kind: 'ready'; readonly how: Arrived }
  | { readonly kind: 'refused'; readonly reason: RefusalReason }

/** One request that waits until the model is ready. */
export interface Waiter {
  readonly wish: ModelWish
  /** Counts a use for it, if it wants one, in the moment that it is told: nothing is evicted between. */
  readonly hold: () => void
  readonly progress: (doneBytes: number, totalBytes: number | null) => void
  readonly resolve: (arrival: Arrival) => void
  readonly reject: (error: unknown) => void
}

export interface Attempt {
  readonly controller: AbortController
  readonly startedAt: number
  /** When the engine last gave a sign. */
  progressAt: number
  doneBytes: number
  totalBytes: number | null
  /** What the model takes and which content it has is settled: who asks for a digest from now on checks it by itself. */
  isSized: boolean
  /** By the engine; null: not sized yet. */
  estimatedBytes: number | null
  /** Of the load, by the engine; null: no more than the model takes, as far as is known. */
  peakBytes: number | null
  /** The engine was asked to load: what ends before that is no load. */
  isLoading: boolean
  /** It failed by inputs of a request's own: nothing is wrong with the model. */
  isBlameless: boolean
  /** Set where the engine lost the model while it was warming. */
  lost: Error | null
}

/** How a drain ended: its memory is back, a request came first, or the engine lost it meanwhile. */
export type Drained = 'evicted' | 'revived' | 'gone'

export interface Leaving {
  readonly reason: EvictReason
  /** A forced one is not revived by requests. */
  forced: boolean
  readonly done: Promise<Drained>
  readonly end: (how: Drained) => void
}

/** One (endpoint, model, revision). Times are milliseconds of the cache's clock. */
export interface ModelEntry {
  readonly key: string
  readonly model: ModelRef
  readonly engine: ModelEngine
  readonly ledger: Ledger<ModelEntry>
  state: ModelState
  since: number
  readonly waiters: Set<Waiter>
  attempt: Attempt | null
  leaving: Leaving | null
  failure: { readonly error: Error; readonly count: number; readonly retryAt: number } | null
  loaded: LoadedModel | null
  /** Of `loaded`; uses of one that was lost are not counted any more. */
  uses: number
  pinned: boolean
  /** The highest that it was asked for with since it came into memory. */
  priority: number
  keepAliveMs: number | null
  cancelIdleTimer: () => void
  estimatedBytes: number | null
  measuredBytes: number | null
  /** The content that was measured: its digest where that is known, and what the engine estimated for it. */
  measuredOf: { readonly digest: string | null; readonly estimatedBytes: number | null } | null
  /** Of the content in memory; null: unknown. */
  digest: string | null
  warmth: WarmupTimes | null
  rate: RequestRate
  /** Of the last load, its warmup included; 0 before the first. */
  loadMs: number
  lastUsedAt: number
  readyAt: number
  /** When it was last unloaded or lost. */
  leftAt: number
  /** What a pinned model that was lost is loaded by: the last wish to pin it, else that of its last load; null: none was granted. */
  wish: ModelWish | null
  /** When it was last evicted for others (`room`, `memory`); null: never. */
  displacedAt: number | null
}

/** What its first request wishes is not yet granted: of that only which model it is. */
export function createEntry(
  { engine, model }: Pick<ModelWish, 'engine' | 'model'>,
  made: {
    readonly ledger: Ledger<ModelEntry>
    /** Unless a request says otherwise. */
    readonly keepAliveMs: number | null
    readonly now: number
  },
): ModelEntry {
  const { ledger, keepAliveMs, now } = made
  return {
    key: keyOf(engine, model),
    model: { ...model, digest: null },
    engine,
    ledger,
    state: 'absent',
    since: now,
    waiters: new Set(),
    attempt: null,
    leaving: null,
    failure: null,
    loaded: null,
    uses: 0,
    pinned: false,
    priority: 0,
    keepAliveMs,
    cancelIdleTimer: () => {},
    estimatedBytes: null,
    measuredBytes: null,
    measuredOf: null,
    digest: null,
    warmth: null,
    rate: NO_REQUESTS,
    loadMs: 0,
    lastUsedAt: now,
    readyAt: now,
    leftAt: Number.NEGATIVE_INFINITY,
    wish: null,
    displacedAt: null,
  }
}

export function keyOf(
  engine: Pick<ModelEngine, 'endpoint'>,
  model: Pick<ModelRef, 'modelId' | 'revision'>,
): string {
  return JSON.stringify([engine.endpoint, model.modelId, model.revision])
}

/** Throws where the table of states.ts does not allow it: a defect. */
export function move(entry: ModelEntry, to: ModelState, now: number): void {
  if (!canFollow(entry.state, to))
    throw new Error(`${entry.key}: ${to} cannot follow ${entry.state}; this is a defect of the model cache`)
  entry.state = to
  entry.since = now
}

/** The most urgent of those who wait, and the most permissive: what one of them may do is done for all. */
export function strongestWish(entry: ModelEntry): { readonly priority: number; readonly evict: EvictRule } {
  const wishes = [...entry.waiters].map(({ wish }) => wish)
  const rules = wishes.map(({ evict }) => EVICT_RULES.indexOf(evict))
  return {
    priority: Math.max(0, ...wishes.map(({ priority }) => priority)),
    evict: EVICT_RULES[Math.max(0, ...rules)] ?? 'none',
  }
}

/** Of those who still wait, who came first; null: nobody waits. */
export function firstWish({ waiters }: Pick<ModelEntry, 'waiters'>): ModelWish | null {
  return [...waiters][0]?.wish ?? null
}

/** What a pinned model is loaded again by: the wish to pin it, else who came first; null: nobody waits. */
export function wishToKeep(entry: Pick<ModelEntry, 'waiters'>): ModelWish | null {
  return [...entry.waiters].find(({ wish }) => wish.pin)?.wish ?? firstWish(entry)
}

/** The idle time that it has, or will have once those who wait are given it: the last who says one counts. null: never for idleness. */
export function keepAliveOf({ waiters, keepAliveMs }: ModelEntry): number | null {
  const said = [...waiters].flatMap(({ wish }) => (wish.keepAliveMs === undefined ? [] : [wish.keepAliveMs]))
  return said.length === 0 ? keepAliveMs : (said.at(-1) ?? null)
}

/** How urgent it is to those who have it or wait for it. */
export function priorityOf(entry: ModelEntry): number {
  return Math.max(entry.priority, strongestWish(entry).priority)
}

/** Whether a request with this rule and priority may push the model out. */
export function isInReach(other: ModelEntry, rule: EvictRule, priority: number): boolean {
  return rule === 'any' || (rule === 'lower_priority' && priorityOf(other) < priority)
}
