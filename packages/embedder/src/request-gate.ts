import type { Clock } from './clock.js'

export interface RequestGateLimits {
  /** Requests under way at one time. */
  concurrency: number
  /** Requests started per minute, evenly spaced; absent means no limit. */
  requestsPerMinute?: number | undefined
}

/** Runs each request when its turn has come: first come, first served. */
export type RequestGate = <T>(request: () => Promise<T>, signal: AbortSignal) => Promise<T>

/**
 * Bounds how many requests run at once and how close together they start. A waiting request whose signal is
 * aborted rejects at once and gives up its turn.
 */
export function createRequestGate(limits: RequestGateLimits, clock: Clock): RequestGate {
  const slots = createSlots(limits.concurrency)
  const awaitStart = createSpacing(limits.requestsPerMinute, clock)
  return async (request, signal) => {
    await slots.take(signal)
    try {
      await awaitStart(signal)
      return await request()
    } finally {
      slots.giveBack()
    }
  }
}

function createSlots(count: number) {
  const admissions = new Set<() => void>()
  let free = count

  async function take(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    if (free > 0) {
      free -= 1
      return
    }
    await new Promise<void>((resolve, reject) => {
      const abandon = (): void => {
        admissions.delete(admit)
        reject(signal.reason)
      }
      const admit = (): void => {
        signal.removeEventListener('abort', abandon)
        resolve()
      }
      admissions.add(admit)
      signal.addEventListener('abort', abandon, { once: true })
    })
  }

  /** Hands the slot to who has waited longest. */
  function giveBack(): void {
    const [admit] = admissions
    if (admit === undefined) {
      free += 1
      return
    }
    admissions.delete(admit)
    admit()
  }

  return { take, giveBack }
}

/** Requests wait one behind the other; one that is aborted meanwhile uses up no start. */
function createSpacing(requestsPerMinute: number | undefined, clock: Clock) {
  const spacingMs = requestsPerMinute === undefined ? 0 : 60_000 / requestsPerMinute
  const first = createSlots(1)
  let nextStart = Number.NEGATIVE_INFINITY
  return async (signal: AbortSignal): Promise<void> => {
    if (spacingMs === 0) return
    await first.take(signal)
    try {
      const now = clock.elapsed()
      const start = Math.max(now, nextStart)
      if (start > now) await clock.sleep(start - now, signal)
      nextStart = start + spacingMs
    } finally {
      first.giveBack()
    }
  }
}
