import { cheapestSet, withoutSpare } from './cheapest-set.js'
import type { Cost, Weighed } from './eviction-cost.js'

/** A model that matters to a plan: one that is in memory, or one that may be asked for. */
export interface PlannedModel extends Weighed, Cost {
  readonly key: string
}

/** The model that the room is for, and those that are not in memory and may come back. */
export interface Outlook {
  readonly wanted: PlannedModel
  readonly absent: readonly PlannedModel[]
}

/** Which of `idle` to give up so that `missing` bytes come free; null where all of them free too little. */
export type EvictionPlanner = <T extends PlannedModel>(
  idle: readonly T[],
  missing: number,
  outlook: Outlook,
) => T[] | null

/** Sets of so many models are looked at one by one: 1,024 sets, about 0.1 ms a sweep. Those that cost more first. */
const MOST_PLANNED = 10
/** A plan is a guess at what is to come: it may give up a set that costs so much of the cheapest one, not more. */
const MOST_OF_CHEAPEST = 1.5
/** What the next request costs counts so much of what this one does: the rates are guesses, and change. */
const DISCOUNT = 0.95
const FIRST_SWEEPS = 40
/** From the values of the plan before, which are nearly right. */
const NEXT_SWEEPS = 8

/**
 * Looks ahead where the cheapest set does not: what room is left over, who will push out whom when it comes back, and that the wanted model
 * may itself go soon. Requests are taken as drawn at random by their demand; the expected seconds of loading from each set of models in memory are
 * worked out by value iteration (a Markov decision process), and the set to keep is the one that promises least. Models beyond the ten that
 * matter most go first, the cheapest set of them. What goes never costs more than one and a half times the cheapest set that frees enough.
 */
export function createEvictionPlanner(): EvictionPlanner {
  let before: { readonly names: string; readonly values: Float64Array } | null = null
  return (idle, missing, { wanted, absent }) => {
    if (missing <= 0) return []
    const held = sum(idle, 'bytes')
    if (held < missing) return null
    const budget = held + wanted.bytes - missing
    const models = chooseModels(wanted, [...idle, ...absent], budget)
    const names = models.map(({ key }) => key).join('\n')
    const start = before?.names === names ? before.values : null
    const values = expectedCosts(models, budget, start)
    before = { names, values }
    const cheapest = cheapestSet(idle, missing) ?? []
    const most = MOST_OF_CHEAPEST * sum(cheapest, 'cost')
    const kept = bestKept(models, { idle, wanted, values, most })
    const planned = new Set(models.map(({ key }) => key))
    const evicted = idle.filter(({ key }) => planned.has(key) && !kept.has(key))
    const rest = idle.filter(({ key }) => !planned.has(key))
    const given = withoutSpare(
      [...evicted, ...(cheapestSet(rest, missing - sum(evicted, 'bytes')) ?? [])],
      missing,
    )
    return sum(given, 'cost') <= most ? given : cheapest
  }
}

/** Those that are planned for, the wanted one among them, in an order that does not change with their demand. */
function chooseModels(
  wanted: PlannedModel,
  others: readonly PlannedModel[],
  budget: number,
): readonly PlannedModel[] {
  const chosen = others
    .filter(({ bytes }) => bytes <= budget)
    .toSorted((a, b) => b.cost - a.cost || order(a, b))
    .slice(0, MOST_PLANNED - 1)
  return [wanted, ...chosen].toSorted(order)
}

function order(a: PlannedModel, b: PlannedModel): number {
  return a.key < b.key ? -1 : Number(a.key > b.key)
}

/** By set (bit i: model i): the seconds of loading that are expected from there on. What does not fit is infinite. */
function expectedCosts(
  models: readonly PlannedModel[],
  budget: number,
  start: Float64Array | null,
): Float64Array {
  const fits = sumsOfSets(models, 'bytes').map((size) => (size <= budget ? 1 : 0))
  const all = models.reduce((total, { demand }) => total + demand, 0)
  const shares = models.map(({ demand }) => demand / all)
  let values: Float64Array = fits.map((fit, set) => {
    if (fit === 0) return Number.POSITIVE_INFINITY
    // of a plan with another budget there may be no value
    const known = start?.[set] ?? Number.POSITIVE_INFINITY
    return Number.isFinite(known) ? known : staticCost(models, shares, set)
  })
  const sweeps = start === null ? FIRST_SWEEPS : NEXT_SWEEPS
  for (let done = 0; done < sweeps; done += 1) values = sweep(models, shares, fits, values)
  return values
}

/** What it would cost to stay with a set for ever: each other model is loaded, and goes again. */
function staticCost(models: readonly PlannedModel[], shares: readonly number[], set: number): number {
  let cost = 0
  for (const [i, { loadSeconds }] of models.entries())
    if (!((set >> i) & 1)) cost += (shares[i] ?? 0) * loadSeconds
  return cost / (1 - DISCOUNT)
}

function sweep(
  models: readonly PlannedModel[],
  shares: readonly number[],
  fits: Float64Array,
  values: Float64Array,
): Float64Array {
  const next = new Float64Array(fits.length)
  const stay = new Float64Array(fits.length)
  for (const [i, { loadSeconds }] of models.entries()) {
    const share = shares[i] ?? 0
    const bit = 1 << i
    const after = bestAfter(values, bit)
    for (let set = 0; set < fits.length; set += 1) {
      if (set & bit) stay[set] = (stay[set] ?? 0) + share
      else next[set] = (next[set] ?? 0) + share * (loadSeconds + DISCOUNT * (after[set] ?? 0))
    }
  }
  for (let set = 0; set < fits.length; set += 1)
    next[set] =
      fits[set] === 0 ? Number.POSITIVE_INFINITY : (next[set] ?? 0) / (1 - DISCOUNT * (stay[set] ?? 0))
  return next
}

/** By set: the least value of any of its subsets once the model of `bit` is added. */
function bestAfter(values: Float64Array, bit: number): Float64Array {
  const best = new Float64Array(values.length)
  for (let set = 0; set < values.length; set += 1) {
    if (set & bit) continue
    let least = values[set | bit] ?? Number.POSITIVE_INFINITY
    for (let rest = set; rest !== 0; rest &= rest - 1) {
      const without = best[set & ~(rest & -rest)] ?? Number.POSITIVE_INFINITY
      if (without < least) least = without
    }
    best[set] = least
  }
  return best
}

interface Keeping {
  readonly idle: readonly PlannedModel[]
  readonly wanted: PlannedModel
  readonly values: Float64Array
  /** What goes may cost so much. */
  readonly most: number
}

/** The keys of what stays: the part of what is in memory that promises least together with the wanted one; of equals, the one of the most bytes. */
function bestKept(models: readonly PlannedModel[], keeping: Keeping): ReadonlySet<string> {
  const { idle, wanted, values, most } = keeping
  const isIdle = new Set(idle.map(({ key }) => key))
  const bits = (is: (key: string) => boolean) =>
    models.reduce((set, { key }, i) => (is(key) ? set | (1 << i) : set), 0)
  const members = (set: number) => models.filter((_, i) => (set >> i) & 1)
  const bit = bits((key) => key === wanted.key)
  const valueOf = (set: number) => values[set | bit] ?? Number.POSITIVE_INFINITY
  const held = bits((key) => isIdle.has(key))
  const costs = sumsOfSets(models, 'cost')
  let best = 0
  for (let set = held; set !== 0; set = (set - 1) & held) {
    if ((costs[held & ~set] ?? 0) > most) continue
    const isEqual = valueOf(set) === valueOf(best)
    if (isEqual ? sum(members(set), 'bytes') > sum(members(best), 'bytes') : valueOf(set) < valueOf(best))
      best = set
  }
  return new Set(members(best).map(({ key }) => key))
}

function sumsOfSets(models: readonly PlannedModel[], key: 'bytes' | 'cost'): Float64Array {
  const sums = new Float64Array(1 << models.length)
  for (let set = 1; set < sums.length; set += 1) {
    const lowest = 31 - Math.clz32(set & -set)
    sums[set] = (sums[set & (set - 1)] ?? 0) + (models[lowest]?.[key] ?? 0)
  }
  return sums
}

function sum(models: readonly PlannedModel[], key: 'bytes' | 'cost'): number {
  return models.reduce((total, one) => total + one[key], 0)
}
