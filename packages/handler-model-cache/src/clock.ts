import { callAfter } from './timers.js'

/** The time of the cache, injected so that tests step it. Monotonic: never compared with wall time. */
export interface CacheClock {
  /** Milliseconds. */
  now(): number
  /** Calls back once after `ms`, unless cancelled. Does not keep the process alive. */
  after(ms: number, callback: () => void): () => void
}

export function createCacheClock(): CacheClock {
  return {
    now: () => performance.now(),
    after: callAfter,
  }
}

/** Resolves after `ms`, or when the signal aborts. */
export function sleepUntil(clock: CacheClock, ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      cancel()
      signal.removeEventListener('abort', end)
      resolve()
    }
    const cancel = clock.after(ms, end)
    if (signal.aborted) end()
    else signal.addEventListener('abort', end, { once: true })
  })
}
