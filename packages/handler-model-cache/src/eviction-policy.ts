import { cheapestSet, type Candidate } from './cheapest-set.js'

/** An idle model as a policy sees it. */
export interface Evictable extends Candidate {
  readonly modelId: string
  /** Milliseconds of the cache's clock. */
  readonly lastUsedAt: number
}

export const EVICTION_POLICIES = ['cost', 'lru', 'name'] as const

/**
 * `cost` (default): the set that frees enough for the least (request rate × load seconds). `lru`: the least recently used first. `name`: in the
 * order of the names, for comparison and for tests.
 */
export type EvictionPolicy = (typeof EVICTION_POLICIES)[number]

/** Which to give up for `bytes`; null where all of them free too little. */
export function chooseEvictions<T extends Evictable>(
  policy: EvictionPolicy,
  evictable: readonly T[],
  bytes: number,
): T[] | null {
  if (policy === 'cost') return cheapestSet(evictable, bytes)
  const order = policy === 'lru' ? byLastUse : byName
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
