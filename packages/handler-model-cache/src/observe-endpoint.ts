import type { CacheClock } from './clock.js'
import type { ModelEngine, ObservedModel } from './engine.js'
import { ModelError } from './errors.js'
import { keyOf, type ModelEntry } from './model-entry.js'
import type { Pool } from './pools.js'

export interface EndpointAround {
  readonly clock: CacheClock
  /** All of the cache. */
  readonly entries: () => Iterable<ModelEntry>
  readonly pool: Pool
  readonly lost: (entry: ModelEntry, error: Error) => void
}

/**
 * Brings the books in line with what an endpoint holds: what it dropped is absent, what others loaded there counts, and uses that it saw are uses. Does
 * nothing for an engine that cannot tell. Rejects as `observe` does.
 */
export async function observeEndpoint(
  engine: ModelEngine,
  { clock, entries, pool, lost }: EndpointAround,
  signal: AbortSignal,
): Promise<void> {
  if (engine.observe === undefined) return
  const askedAt = clock.now()
  const observed = await engine.observe(signal)
  const held = new Map(observed.map((one) => [keyOf(engine, one), one]))
  const { ledger, room } = pool
  const known = [...entries()].filter((entry) => entry.engine === engine)
  for (const entry of known) {
    judge(entry, held.get(entry.key) ?? null, askedAt, lost)
    // what has left memory since the question may still be in the answer
    if (ledger.bytesOf(entry) > 0 || entry.leftAt > askedAt) held.delete(entry.key)
  }
  ledger.outside = [...held.values()].reduce((sum, { bytes }) => sum + bytes, 0)
  for (const entry of known) ledger.shared(entry, held.get(entry.key)?.bytes ?? 0)
  room.changed()
}

function judge(
  entry: ModelEntry,
  observed: ObservedModel | null,
  askedAt: number,
  lost: EndpointAround['lost'],
): void {
  const isHeld = entry.state === 'ready' || entry.state === 'draining'
  // what became ready after the question cannot be in the answer
  if (!isHeld || entry.readyAt >= askedAt) return
  if (observed === null) {
    const problem = `expected ${entry.model.modelId} on ${entry.engine.endpoint}, it no longer holds it`
    lost(entry, new ModelError('MODEL_GONE', problem))
  } else if (observed.idleMs !== null) {
    entry.lastUsedAt = Math.max(entry.lastUsedAt, askedAt - observed.idleMs)
  }
}
