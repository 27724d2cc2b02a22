import type { CacheClock } from './clock.js'
import type { ModelEntry } from './model-entry.js'

export interface HealthSettings {
  readonly stallAfterMs: number
  readonly roomWaitMs: number
}

/** Something under way that has given no sign for too long. An idle cache has none. */
export interface Stall {
  readonly what: string
  readonly silentMs: number
}

/**
 * Loads, warmups and unloads that have stood still for `stallAfterMs`. Bytes that a load reports are signs of life; waiting for room is no stall, within
 * the time that it may take.
 */
export function findStalls(
  entries: Iterable<ModelEntry>,
  clock: CacheClock,
  settings: HealthSettings,
): readonly Stall[] {
  const now = clock.now()
  return [...entries].flatMap((entry) => {
    const silentMs = now - lastSign(entry, settings)
    if (silentMs < settings.stallAfterMs) return []
    return [{ what: `${entry.state} of ${entry.model.modelId} by ${entry.engine.name}`, silentMs }]
  })
}

/** In time of the clock; infinite where nothing is under way. */
function lastSign({ state, since, attempt }: ModelEntry, { roomWaitMs }: HealthSettings): number {
  switch (state) {
    case 'queued':
      return since + roomWaitMs
    case 'loading':
      return Math.max(since, attempt?.progressAt ?? 0)
    case 'warming':
    case 'unloading':
      return since
    default:
      return Number.POSITIVE_INFINITY
  }
}

/** Throws what is wrong: what stands still, and models of the warm list whose last load failed. */
export function demandHealth(stalls: readonly Stall[], missing: readonly string[]): void {
  const faults = [
    ...stalls.map(({ what, silentMs }) => `${what}: no sign of life for ${Math.round(silentMs / 1000)} s`),
    ...missing,
  ]
  if (faults.length > 0) throw new Error(faults.join('; '))
}
