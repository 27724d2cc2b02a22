import { setTimeout } from 'node:timers/promises'

/** Time as an argument, so that a test need not wait for it. */
export interface Clock {
  /** Milliseconds since the epoch: for dates. It may be set back or ahead at any moment. */
  now(): number
  /** Milliseconds from any fixed moment, never set: for distances. */
  elapsed(): number
  /** Resolves after so many milliseconds, or rejects with the signal's reason as soon as it is aborted. */
  sleep(ms: number, signal: AbortSignal): Promise<void>
}

export const systemClock: Clock = {
  now: () => Date.now(),
  elapsed: () => performance.now(),
  async sleep(ms, signal) {
    try {
      await setTimeout(ms, undefined, { signal })
    } catch (error) {
      // Node rejects with an AbortError of its own; the reason is what the caller understands
      throw signal.aborted ? signal.reason : error
    }
  },
}
