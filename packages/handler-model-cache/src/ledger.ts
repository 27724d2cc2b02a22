/**
 * The bytes of one pool of memory. Nothing is loaded before its bytes are counted here, and they are counted until the memory is back.
 * `reserve` never goes beyond the limit; only what a load turned out to take (`correct`) and what others hold (`outside`) can.
 */
export interface Ledger<Owner> {
  readonly pool: string
  /** null: not limited. */
  readonly limit: number | null
  /** Everything counted, that of others included. */
  total(): number
  /** Infinite without a limit; negative where a measured size went beyond it. */
  free(): number
  bytesOf(owner: Owner): number
  /** Throws a RangeError where it does not fit: ask `free` before. */
  reserve(owner: Owner, bytes: number): void
  /** The measured size in place of the estimate. */
  correct(owner: Owner, bytes: number): void
  release(owner: Owner): void
  /** What others hold in a shared pool, as it was last observed. */
  outside: number
  /** The most that was ever counted, that of others included. */
  peak(): number
}

export function createLedger<Owner>(pool: string, limit: number | null): Ledger<Owner> {
  const counted = new Map<Owner, number>()
  let total = 0
  let outside = 0
  let peak = 0
  const put = (owner: Owner, bytes: number) => {
    total += bytes - (counted.get(owner) ?? 0)
    if (bytes === 0) counted.delete(owner)
    else counted.set(owner, bytes)
    peak = Math.max(peak, total + outside)
  }
  const free = () => (limit === null ? Number.POSITIVE_INFINITY : limit - total - outside)
  return {
    pool,
    limit,
    total: () => total + outside,
    free,
    bytesOf: (owner) => counted.get(owner) ?? 0,
    reserve(owner, bytes) {
      if (bytes > free() + (counted.get(owner) ?? 0))
        throw new RangeError(`expected at most ${free()} free bytes in ${pool} to be reserved, got ${bytes}`)
      put(owner, bytes)
    },
    correct: put,
    release: (owner) => put(owner, 0),
    get outside() {
      return outside
    },
    set outside(bytes) {
      outside = bytes
      peak = Math.max(peak, total + outside)
    },
    peak: () => peak,
  }
}
