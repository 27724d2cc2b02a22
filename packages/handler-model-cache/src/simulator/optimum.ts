import type { SimulatedCase } from './case.js'

/**
 * The least seconds of loading that anybody could pay who knows all requests beforehand: dynamic programming over the sets that can be in memory (bit i: model
 * i). Exact: only what is asked for is loaded (earlier costs the same), and of what is given up for it only smallest sets are tried (what is kept
 * can still be given up later).
 */
export function exactOptimum({ models, budget, requests }: SimulatedCase): number {
  const sizes = sizesOfSets(models.map(({ bytes }) => bytes))
  const keepable = new Map<number, readonly number[]>()
  let paidBySet = new Map<number, number>([[0, 0]])
  for (const { model } of requests) {
    const bit = 1 << model
    const { loadSeconds = 0, bytes = 0 } = models[model] ?? {}
    const next = new Map<number, number>()
    const offer = (set: number, paid: number) => {
      if (paid < (next.get(set) ?? Number.POSITIVE_INFINITY)) next.set(set, paid)
    }
    for (const [set, paid] of paidBySet) {
      if (set & bit) {
        offer(set, paid)
        continue
      }
      const key = set * models.length + model
      const kept = keepable.get(key) ?? largestSubsets(set, budget - bytes, sizes)
      keepable.set(key, kept)
      for (const one of kept) offer(one | bit, paid + loadSeconds)
    }
    paidBySet = next
  }
  return Math.min(...paidBySet.values())
}

function sizesOfSets(bytes: readonly number[]): Float64Array {
  const sizes = new Float64Array(1 << bytes.length)
  for (let set = 1; set < sizes.length; set += 1) {
    const lowest = 31 - Math.clz32(set & -set)
    sizes[set] = (sizes[set & (set - 1)] ?? 0) + (bytes[lowest] ?? 0)
  }
  return sizes
}

/** Subsets that fit and to which nothing of `set` could be added. */
function largestSubsets(set: number, room: number, sizes: Float64Array): readonly number[] {
  const found: number[] = []
  for (let subset = set; ; subset = (subset - 1) & set) {
    if ((sizes[subset] ?? 0) <= room && isLargest(subset, set, room, sizes)) found.push(subset)
    if (subset === 0) return found
  }
}

function isLargest(subset: number, set: number, room: number, sizes: Float64Array): boolean {
  for (let rest = set & ~subset; rest !== 0; rest &= rest - 1) {
    if ((sizes[subset | (rest & -rest)] ?? 0) <= room) return false
  }
  return true
}
