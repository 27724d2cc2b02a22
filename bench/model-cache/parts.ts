import type { PolicyRow } from '@mcp-worker/handler-model-cache/simulator'
import type { Joins, Lag, TaskLoad } from './loads.ts'

export interface LoadRow {
  readonly how: string
  readonly model: string
  readonly rounds: readonly (Lag | TaskLoad)[]
}

/** What bench/model-cache leaves in bench/results/model-cache.json. */
export interface ModelCacheResults {
  readonly eviction: { readonly cases: number; readonly rows: readonly PolicyRow[] }
  readonly loads: readonly LoadRow[]
  readonly joins: Joins
}
