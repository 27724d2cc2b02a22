/** Results in the order of the items, with at most `width` of them under way. Rejects with the first fault, once all have ended. */
export async function inFlight<T, R>(
  width: number,
  items: readonly T[],
  work: (item: T) => Promise<R>,
): Promise<readonly R[]> {
  const results: R[] = []
  let next = 0
  async function lane(): Promise<void> {
    while (next < items.length) {
      const i = next++
      results[i] = await work(items[i] as T)
    }
  }
  const lanes = await Promise.allSettled(Array.from({ length: Math.min(width, items.length) }, lane))
  const failed = lanes.find((end) => end.status === 'rejected')
  if (failed) throw failed.reason
  return results
}
