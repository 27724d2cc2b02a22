import type { Clock } from '../clock.js'
import { freeBytes } from './failures.js'

const LOOK_MS = 1000
const LOOK_BYTES = 1024 * 1024
const WINDOW_MS = 10_000

/**
 * Whether the disk has room for submits of so many bytes beyond the reserve that settles need. Looks once a second, and after each MiB: a second's
 * submits of large payloads would take the reserve.
 */
export function createRoom(
  directory: string,
  reserveBytes: number,
  clock: Clock,
): (incoming: number) => boolean {
  let lookedAt = Number.NEGATIVE_INFINITY
  let free = 0
  let sinceLook = 0
  const isEnough = () => free - sinceLook >= reserveBytes
  return (incoming) => {
    const now = clock.monotonic()
    sinceLook += incoming
    // nobody is refused for what was seen a second ago
    if (now - lookedAt >= LOOK_MS || sinceLook >= LOOK_BYTES || !isEnough()) {
      lookedAt = now
      free = freeBytes(directory)
      sinceLook = incoming
    }
    return isEnough()
  }
}

/** How fast tasks end, for the Retry-After of a full queue. */
export function createDrainRate(clock: Clock) {
  let since = clock.monotonic()
  let ended = 0
  let perMs = 0
  return {
    count(settles: number): void {
      ended += settles
      const elapsed = clock.monotonic() - since
      if (elapsed < WINDOW_MS / 10) return
      const weight = Math.min(1, elapsed / WINDOW_MS)
      perMs = perMs * (1 - weight) + (ended / elapsed) * weight
      since += elapsed
      ended = 0
    },
    /** The time after which `tasks` more will have ended: 1 s … 5 min. */
    retryAfterMs: (tasks: number): number =>
      Math.min(300_000, Math.max(1000, perMs > 0 ? tasks / perMs : 60_000)),
  }
}
