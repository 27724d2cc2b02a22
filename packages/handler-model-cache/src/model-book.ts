import type { ModelEngine, ModelRef } from './engine.js'
import type { Ledger } from './ledger.js'
import { createEntry, keyOf, type ModelEntry, type ModelWish } from './model-entry.js'

/** Every model that is in memory or of which something is remembered: rate, load time, size. */
export interface ModelBook {
  entries(): Iterable<ModelEntry>
  find(
    engine: Pick<ModelEngine, 'endpoint'>,
    model: Pick<ModelRef, 'modelId' | 'revision'>,
  ): ModelEntry | null
  /** The entry of a wish, made if need be: in the books of `ledger`, idle for `keepAliveMs` unless the wish says otherwise. */
  entryOf(
    wish: ModelWish,
    made: { readonly ledger: Ledger<ModelEntry>; readonly keepAliveMs: number | null; readonly now: number },
  ): ModelEntry
}

const MOST_REMEMBERED = 1000

export function createModelBook(): ModelBook {
  const entries = new Map<string, ModelEntry>()
  return {
    entries: () => entries.values(),
    find: (engine, model) => entries.get(keyOf(engine, model)) ?? null,
    entryOf(wish, made) {
      const key = keyOf(wish.engine, wish.model)
      const known = entries.get(key)
      if (known) return known
      forgetOldest(entries)
      const entry = createEntry(wish, made)
      entries.set(key, entry)
      return entry
    },
  }
}

/** Those longest known go first (the map keeps the order of arrival), and those whose load failed only where all others are needed. */
function forgetOldest(entries: Map<string, ModelEntry>): void {
  if (entries.size < MOST_REMEMBERED) return
  const idle = [...entries.values()].filter(
    ({ pinned, waiters, attempt }) => !pinned && waiters.size === 0 && attempt === null,
  )
  const oldest = idle.find(({ state }) => state === 'absent') ?? idle.find(({ state }) => state === 'failed')
  if (oldest !== undefined) entries.delete(oldest.key)
}
