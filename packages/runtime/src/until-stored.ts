import { setTimeout as sleep } from 'node:timers/promises'
import type { Clock } from './clock.js'
import { isWorkerError } from './errors.js'

const FIRST_PAUSE_MS = 50
const LONGEST_PAUSE_MS = 2000

interface Stored<T> {
  readonly answer: T
  /** An earlier try may have been stored already: then this answer is to a repetition. */
  readonly unsure: boolean
}

/**
 * Asks again while the store is away for a moment: another process holds its lock, a connection broke. Only for what is safe to repeat. `pause` waits
 * for so many milliseconds and resolves with false where asking again is no use any more: then this rejects with the store's last error, and at
 * once with any that no waiting mends.
 */
export async function untilStored<T>(
  ask: () => Promise<T>,
  pause: (ms: number) => Promise<boolean>,
): Promise<Stored<T>> {
  let unsure = false
  for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS)) {
    try {
      return { answer: await ask(), unsure }
    } catch (error) {
      if (!isWorkerError(error)) throw error
      unsure ||= error.code === 'outcome_unknown'
      const mayPass = error.code === 'store_unavailable' || error.code === 'outcome_unknown'
      if (!mayPass || !(await pause(pauseMs))) throw error
    }
  }
}

/** Asking again is of use until the signal aborts; made at the first pause only. */
export function untilAborted(signal: () => AbortSignal): (ms: number) => Promise<boolean> {
  return (ms) => sleep(ms, true, { signal: signal() }).catch(() => false)
}

/** Asking again is of use until this monotonic time. */
export function untilTime(clock: Clock, at: number): (ms: number) => Promise<boolean> {
  return async (ms) => clock.monotonic() + ms < at && sleep(ms, true)
}
