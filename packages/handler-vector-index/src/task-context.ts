import type { RunContext } from '@mcp-worker/runtime'
import type { Payload, VectorIndexResult } from './payload.js'
import type { CollectionInfo } from './store.js'
import type { Tally } from './tally.js'

type WholeContext = RunContext<unknown, unknown, unknown>

/** What the work needs of the runtime's context; tests give it by hand. */
export interface TaskContext extends Pick<WholeContext, 'signal' | 'progress' | 'checkpoint'> {
  readonly task: Pick<WholeContext['task'], 'id'>
}

/** What an operation has to say beside the counts. */
type Extras = Pick<VectorIndexResult, 'bytes' | 'verified' | 'warnings'>

export function resultOf(
  { operation, dry_run }: Pick<Payload, 'operation' | 'dry_run'>,
  tally: Tally,
  collection: CollectionInfo | null,
  extras: Extras = {},
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
    ...extras,
  }
}

function roundSeconds(seconds: number): number {
  return Math.round(seconds * 1e6) / 1e6
}
