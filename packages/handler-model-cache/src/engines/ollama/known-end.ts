/** Between the server's clock, which its answers show in whole seconds, and ours; and how long an answer may be under way. */
const TOLERANCE_MS = 2000

/** When a server will unload a model by itself, as far as that is known: as it last said, or as it was told since. */
export interface KnownEnd {
  /** It was told, or told again, to keep the model so long after this use; null: until it is unloaded. */
  told(keepAliveMs: number | null): void
  /** It says how long it will keep the model yet; null: it does not say. */
  seen(leftMs: number | null): void
  /** The time is over: what is not there any more has gone as it should. */
  isOver(): boolean
}

/** @param now milliseconds that only go forward */
export function createKnownEnd(now: () => number = () => performance.now()): KnownEnd {
  let end = Number.POSITIVE_INFINITY
  return {
    told: (keepAliveMs) => void (end = keepAliveMs === null ? Number.POSITIVE_INFINITY : now() + keepAliveMs),
    seen(leftMs) {
      if (leftMs !== null) end = now() + leftMs
    },
    isOver: () => now() >= end - TOLERANCE_MS,
  }
}
