export interface TopDocument {
  readonly document: number
  readonly chunk: number
  readonly score: number
}

/** The `k` best documents seen so far, each by its best chunk. */
export interface TopDocuments {
  offer(document: number, chunk: number, score: number): void
  /** Best first; equal scores by document key, so that the same question has the same answer. */
  list(): readonly TopDocument[]
}

export function createTopDocuments(k: number): TopDocuments {
  const best: TopDocument[] = []
  let threshold = -Infinity
  return {
    offer(document, chunk, score) {
      // most chunks end here
      if (score <= threshold) return
      const earlier = best.findIndex((entry) => entry.document === document)
      if (earlier !== -1 && (best[earlier]?.score ?? score) >= score) return
      if (earlier !== -1) best.splice(earlier, 1)
      else if (best.length === k) best.pop()
      insert(best, { document, chunk, score })
      if (best.length === k) threshold = best[k - 1]?.score ?? -Infinity
    },
    list: () => best,
  }
}

/** After all entries that are at least as good. */
function insert(best: TopDocument[], entry: TopDocument): void {
  let low = 0
  let high = best.length
  while (low < high) {
    const middle = (low + high) >> 1
    if ((best[middle]?.score ?? 0) >= entry.score) low = middle + 1
    else high = middle
  }
  best.splice(low, 0, entry)
}
