/** One that may be given up. */
export interface Candidate {
  readonly bytes: number
  /** What giving it up costs, in seconds of loading per second; 0 or more. */
  readonly cost: number
}

/** Nodes of the search tree; beyond them the best set found so far is taken. About 5 ms. */
const MOST_STEPS = 20_000

/**
 * The set of candidates that frees at least `bytes` for the least total cost, and among equals the one that frees the least; null where all together
 * free too little. Greedy first, then branch and bound: exact up to some thirty candidates, and never worse than greedy.
 */
export function cheapestSet<T extends Candidate>(candidates: readonly T[], bytes: number): T[] | null {
  if (bytes <= 0) return []
  if (sum(candidates, 'bytes') < bytes) return null
  // cheapest per byte first: the relaxed problem (parts of models) is solved by taking them in this order
  const sorted = candidates.toSorted((a, b) => a.cost / a.bytes - b.cost / b.bytes || b.bytes - a.bytes)
  return improve(sorted, bytes, withoutSpare(greedy(sorted, bytes), bytes))
}

function greedy<T extends Candidate>(sorted: readonly T[], bytes: number): T[] {
  const taken: T[] = []
  let freed = 0
  for (const candidate of sorted) {
    if (freed >= bytes) break
    taken.push(candidate)
    freed += candidate.bytes
  }
  return taken
}

/** Gives back, dearest first, what is not needed for `bytes`. */
export function withoutSpare<T extends Candidate>(taken: readonly T[], bytes: number): T[] {
  let spare = sum(taken, 'bytes') - bytes
  const kept: T[] = []
  for (const candidate of taken.toSorted((a, b) => b.cost - a.cost || b.bytes - a.bytes)) {
    if (candidate.bytes <= spare) spare -= candidate.bytes
    else kept.push(candidate)
  }
  return kept
}

interface Best<T> {
  set: T[]
  cost: number
  freed: number
}

/** Depth-first over take and leave; a branch is cut where even parts of models could not beat the best. */
function improve<T extends Candidate>(sorted: readonly T[], bytes: number, first: T[]): T[] {
  const best: Best<T> = { set: first, cost: sum(first, 'cost'), freed: sum(first, 'bytes') }
  const chosen: T[] = []
  let steps = 0
  const visit = (at: number, cost: number, freed: number): void => {
    if (freed >= bytes) {
      if (cost < best.cost || (cost === best.cost && freed < best.freed))
        Object.assign(best, { set: [...chosen], cost, freed })
      return
    }
    const candidate = sorted[at]
    if (candidate === undefined || ++steps > MOST_STEPS) return
    const least = cost + relaxedCost(sorted, at, bytes - freed)
    if (least > best.cost || (least === best.cost && best.freed === bytes)) return
    chosen.push(candidate)
    visit(at + 1, cost + candidate.cost, freed + candidate.bytes)
    chosen.pop()
    visit(at + 1, cost, freed)
  }
  visit(0, 0, 0)
  return best.set
}

/** The least that `bytes` can cost from `sorted[at]` on if models could be given up in parts; infinite where they don't suffice. */
function relaxedCost(sorted: readonly Candidate[], at: number, bytes: number): number {
  let left = bytes
  let cost = 0
  for (let i = at; i < sorted.length; i += 1) {
    const candidate = sorted[i]
    if (candidate === undefined || left <= 0) break
    const share = Math.min(1, left / candidate.bytes)
    cost += candidate.cost * share
    left -= candidate.bytes
  }
  return left <= 0 ? cost : Number.POSITIVE_INFINITY
}

function sum(candidates: readonly Candidate[], key: keyof Candidate): number {
  return candidates.reduce((total, candidate) => total + candidate[key], 0)
}
