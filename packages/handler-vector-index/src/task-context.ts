import type { RunContext } from '@mcp-worker/runtime'
import type { Payload, VectorIndexResult } from './payload.js'
import type { CollectionInfo } from './store.js'
import type { Tally } from './tally.js'

/** What the work needs of the runtime's context; tests give it by hand. */
export type TaskContext = Pick<RunContext<unknown, unknown, unknown>, 'signal' | 'progress' | 'checkpoint'>

/** What a task leaves with each committed batch, and finds again when it is retried. */
export interface Checkpoint {
  /** Positions of the source that are done. */
  readonly next: number
  /** `DocumentSource.identity`; another one starts from 0. */
  readonly source: string
  readonly tally: Tally
}

export function resultOf(
  { operation, dry_run }: Payload,
  tally: Tally,
  collection: CollectionInfo | null,
): VectorIndexResult {
  return {
    operation,
    dry_run,
    ...tally,
    embed_seconds: roundSeconds(tally.embed_seconds),
    write_seconds: roundSeconds(tally.write_seconds),
    collection: collection && {
      count: collection.count,
      dim: collection.dim,
      embedder: collection.embedder,
      generation: collection.generation,
    },
  }
}

function roundSeconds(seconds: number): number {
  return Math.round(seconds * 1e6) / 1e6
}
