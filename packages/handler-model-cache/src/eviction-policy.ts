import { cheapestSet } from './cheapest-set.js'
import { createEvictionPlanner, type Outlook, type PlannedModel } from './eviction-plan.js'

/** An idle model as a policy sees it. */
export interface Evictable extends PlannedModel {
  readonly modelId: string
  /** Milliseconds of the cache's clock. */
  readonly lastUsedAt: number
}

export const EVICTION_POLICIES = ['plan', 'cost', 'lru', 'name'] as const

/**
 * `plan` (default): the set whose absence promises the least seconds of loading in the long run (eviction-plan.ts). `cost`: the set that frees enough
 * for the least (share of the requests × load seconds) now. `lru`: the least recently used first. `name`: in the order of the names, for comparison and for tests.
 */
export type EvictionPolicy = (typeof EVICTION_POLICIES)[number]

/** Which to give up for `bytes`; null where all of them free too little. */
export type ChooseEvictions = <T extends Evictable>(
  evictable: readonly T[],
  bytes: number,
  outlook: Outlook,
) => T[] | null

/** One for each pool of memory: a plan starts from the one before. */
export function createEvictionChooser(policy: EvictionPolicy): ChooseEvictions {
  switch (policy) {
    case 'plan':
      return createEvictionPlanner()
    case 'cost':
      return cheapestSet
    case 'lru':
      return (evictable, bytes) => inOrder(evictable, bytes, byLastUse)
    case 'name':
      return (evictable, bytes) => inOrder(evictable, bytes, byName)
  }
}

function inOrder<T extends Evictable>(
  evictable: readonly T[],
  bytes: number,
  order: (a: Evictable, b: Evictable) => number,
): T[] | null {
  const chosen: T[] = []
  let freed = 0
  for (const one of evictable.toSorted(order)) {
    if (freed >= bytes) break
    chosen.push(one)
    freed += one.bytes
  }
  return freed >= bytes ? chosen : null
}

function byLastUse(a: Evictable, b: Evictable): number {
  return a.lastUsedAt - b.lastUsedAt || byName(a, b)
}

function byName(a: Evictable, b: Evictable): number {
  return a.modelId < b.modelId ? -1 : Number(a.modelId > b.modelId)
}
