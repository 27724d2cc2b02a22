import type { CacheClock } from './clock.js'
import { isModelError } from './errors.js'
import { PRIORITIES, priorityOf, type ModelEntry } from './model-entry.js'
import type { ModelCache } from './model-cache.js'
import type { ModelCacheResult, ModelStatus, StatusOutput } from './payload.js'
import { bytesIn } from './pools.js'
import { rateAt } from './request-rate.js'
import type { EvictionChoice } from './eviction-choice.js'

export interface StatusAround {
  readonly cache: ModelCache
  readonly clock: CacheClock
  readonly rateHalfLifeMs: number
  readonly replica: string
}

/** What the cache holds, and why it last gave up what it gave up. */
export function describeCache({ all }: { readonly all: boolean }, around: StatusAround): StatusOutput {
  const { cache, clock, replica } = around
  const last = cache.choices().at(-1)
  return {
    replica,
    models: describeModels(around, all),
    budgets: [...cache.pools()].map(({ ledger, room }) => ({
      ...budgetOf(cache, ledger.pool),
      waiting: room.waiting(),
      peak: ledger.peak(),
      others: ledger.outside,
    })),
    last_eviction: last === undefined ? null : describeChoice(last, clock.now()),
  }
}

export function describeModels(around: StatusAround, all: boolean): ModelStatus[] {
  return [...around.cache.entries()]
    .filter(({ state }) => all || (state !== 'absent' && state !== 'failed'))
    .map((entry) => describeModel(entry, around))
}

export function describeModel(entry: ModelEntry, { clock, rateHalfLifeMs }: StatusAround): ModelStatus {
  const now = clock.now()
  return {
    model_id: entry.model.modelId,
    revision: entry.model.revision,
    engine: entry.engine.name,
    state: entry.state,
    bytes: bytesOf(entry),
    uses: entry.uses,
    pinned: entry.pinned,
    priority: PRIORITIES[priorityOf(entry)] ?? 'normal',
    idle_seconds: seconds(now - entry.lastUsedAt),
    requests_per_minute: rounded(rateAt(entry.rate, now, rateHalfLifeMs) * 60),
    load_seconds: entry.loadMs === 0 ? null : seconds(entry.loadMs),
    warmup: warmthOf(entry),
    error: errorOf(entry, now),
  }
}

export function bytesOf({ estimatedBytes, measuredBytes }: ModelEntry) {
  return { estimated: estimatedBytes, measured: measuredBytes }
}

export function warmthOf({ warmth }: Pick<ModelEntry, 'warmth'>): ModelStatus['warmup'] {
  return warmth && { first_ms: rounded(warmth.firstMs), p50_ms: rounded(warmth.p50Ms), runs: warmth.runs }
}

export function budgetOf(cache: ModelCache, pool: string): NonNullable<ModelCacheResult['budget']> {
  const found = [...cache.pools()].find(({ ledger }) => ledger.pool === pool)
  if (found === undefined) throw new Error(`there is no pool ${pool}`)
  return { pool, ...bytesIn(found, cache.entries()), limit: found.ledger.limit }
}

function errorOf({ state, failure }: ModelEntry, now: number): ModelStatus['error'] {
  if (failure === null || (state !== 'failed' && state !== 'absent')) return null
  const { error, retryAt } = failure
  return {
    code: isModelError(error) ? error.code : 'LOAD_FAILED',
    message: error.message.slice(0, 1000),
    retry_in_seconds: seconds(Math.max(0, retryAt - now)),
  }
}

function describeChoice(choice: EvictionChoice, now: number): NonNullable<StatusOutput['last_eviction']> {
  const { at, forModel, neededBytes, policy, candidates } = choice
  return {
    seconds_ago: seconds(now - at),
    for_model: forModel,
    needed_bytes: neededBytes,
    policy,
    candidates: candidates.map(({ modelId, bytes, cost, chosen }) => ({
      model: modelId,
      bytes,
      cost,
      chosen,
    })),
    why: sayWhy(choice),
  }
}

const WHY = {
  plan: 'the idle models without which the least loading is to be expected from now on, of those that cost at most half again as much as the cheapest set',
  cost: 'the set of idle models that frees enough for the least (share of the requests × load seconds)',
  lru: 'idle models, the least recently used first, until enough was free',
  name: 'idle models in the order of their names, until enough was free',
} as const

function sayWhy({ policy, candidates, neededBytes, reason, forModel }: EvictionChoice): string {
  const chosen = candidates.filter((one) => one.chosen)
  const sum = (key: 'bytes' | 'cost') => chosen.reduce((total, one) => total + one[key], 0)
  const cause =
    reason === 'memory' ? 'memory ran out while it was loaded' : 'it did not fit beside the others'
  return `${forModel}: ${cause}. Of ${candidates.length} that could go ${chosen.length} went: ${WHY[policy]}. Needed ${neededBytes} bytes, freed ${sum('bytes')} at a cost of ${Number(sum('cost').toPrecision(3))}.`
}

function seconds(ms: number): number {
  return rounded(ms / 1000)
}

function rounded(value: number): number {
  return Math.round(value * 1000) / 1000
}
