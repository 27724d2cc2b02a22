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
  /** Infinite without a limit; negative where a measured size went beyond it. For an owner with what is there of it already: that is not needed twice. */
  free(owner?: Owner): number
  bytesOf(owner: Owner): number
  /** Throws a RangeError where it does not fit: ask `free` before. */
  reserve(owner: Owner, bytes: number): void
  /** The measured size in place of the estimate. */
  correct(owner: Owner, bytes: number): void
  release(owner: Owner): void
  /** As `release`, of a load that came to nothing: what others had there of it is theirs again. */
  giveUp(owner: Owner): void
  /** What others hold in a shared pool, as it was last observed. */
  outside: number
  /** The part of `outside` that is an owner's own model, loaded by others: who reserves takes it over, until it gives up. */
  shared(owner: Owner, bytes: number): void
  /** The most that was ever counted, that of others included. */
  peak(): number
}

export function createLedger<Owner>(pool: string, limit: number | null): Ledger<Owner> {
  const counted = new Map<Owner, number>()
  const shared = new Map<Owner, number>()
  const takenOver = new Map<Owner, number>()
  let total = 0
  let outside = 0
  let peak = 0
  const put = (owner: Owner, bytes: number) => {
    total += bytes - (counted.get(owner) ?? 0)
    if (bytes === 0) counted.delete(owner)
    else counted.set(owner, bytes)
    peak = Math.max(peak, total + outside)
  }
  const release = (owner: Owner) => {
    takenOver.delete(owner)
    put(owner, 0)
  }
  const free = (owner?: Owner) => {
    const there = owner === undefined ? 0 : (shared.get(owner) ?? 0)
    return limit === null ? Number.POSITIVE_INFINITY : limit - total - outside + there
  }
  return {
    pool,
    limit,
    total: () => total + outside,
    free,
    bytesOf: (owner) => counted.get(owner) ?? 0,
    reserve(owner, bytes) {
      if (bytes > free(owner) + (counted.get(owner) ?? 0))
        throw new RangeError(
          `expected at most ${free(owner)} free bytes in ${pool} to be reserved, got ${bytes}`,
        )
      const there = shared.get(owner) ?? 0
      outside -= there
      shared.delete(owner)
      takenOver.set(owner, there)
      put(owner, bytes)
    },
    correct: put,
    release,
    giveUp(owner) {
      const there = takenOver.get(owner) ?? 0
      release(owner)
      if (there === 0) return
      outside += there
      shared.set(owner, there)
    },
    get outside() {
      return outside
    },
    set outside(bytes) {
      outside = bytes
      shared.clear()
      peak = Math.max(peak, total + outside)
    },
    shared: (owner, bytes) => void shared.set(owner, bytes),
    peak: () => peak,
  }
}
