import type { EvictReason } from './model-entry.js'
import type { EvictionChoice } from './eviction-choice.js'

export type LoadOutcome = 'loaded' | 'failed' | 'cancelled'

/** What the cache tells of its doings: metrics and log listen. `engine` is the engine's name. */
export interface CacheObserver {
  requested(engine: string, how: 'hit' | 'loaded' | 'joined' | 'refused' | 'failed'): void
  /** `soonAgain`: it had been evicted for others a short while before. */
  loadEnded(engine: string, how: LoadOutcome, seconds: number, soonAgain: boolean): void
  warmed(engine: string, firstMs: number): void
  evicted(engine: string, modelId: string, reason: EvictReason): void
  chose(choice: EvictionChoice): void
  gone(engine: string, modelId: string, error: Error): void
  unloadFailed(engine: string, modelId: string, error: Error): void
}
