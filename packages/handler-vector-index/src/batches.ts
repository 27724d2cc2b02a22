import type { Entry } from './documents.js'
import type { FailedDocument } from './faults.js'
import type { PreparedDocument } from './prepare.js'

/** Documents that are written in one transaction. Each id comes once, so that a later document of the same id finds the earlier one stored. */
export interface Batch {
  readonly documents: readonly PreparedDocument[]
  readonly failed: readonly FailedDocument[]
  /** The position of its first entry. */
  readonly start: number
  /** The position after its last entry: where to go on. */
  readonly next: number
}

/** In characters of text and components of vectors; it bounds the memory of a batch whatever `batch_size` says. */
const MAX_BATCH_WEIGHT = 4 * 1024 * 1024

export async function* batchesOf(
  entries: AsyncIterable<Iterable<Entry>>,
  batchSize: number,
  prepare: (entry: Entry) => PreparedDocument | FailedDocument,
): AsyncGenerator<Batch> {
  let open = emptyBatch()
  for await (const some of entries) {
    for (const entry of some) {
      const prepared = prepare(entry)
      const full = open.documents.size + open.failed.length >= batchSize || open.weight >= MAX_BATCH_WEIGHT
      if (full || open.documents.has(prepared.id)) {
        yield closed(open)
        open = emptyBatch()
      }
      add(open, prepared, entry.position)
    }
  }
  if (open.next > open.start) yield closed(open)
}

interface OpenBatch {
  readonly documents: Map<string, PreparedDocument>
  readonly failed: FailedDocument[]
  weight: number
  start: number
  next: number
}

function emptyBatch(): OpenBatch {
  return { documents: new Map(), failed: [], weight: 0, start: 0, next: 0 }
}

function add(batch: OpenBatch, prepared: PreparedDocument | FailedDocument, position: number): void {
  if (batch.next === 0) batch.start = position
  if ('code' in prepared) batch.failed.push(prepared)
  else batch.documents.set(prepared.id, prepared)
  batch.weight += weightOf(prepared)
  batch.next = position + 1
}

function closed({ documents, failed, start, next }: OpenBatch): Batch {
  return { documents: [...documents.values()], failed, start, next }
}

function weightOf(prepared: PreparedDocument | FailedDocument): number {
  if ('code' in prepared || prepared.content === null) return 0
  const { texts, vector } = prepared.content
  return texts.reduce((sum, text) => sum + (text?.length ?? 0), vector?.length ?? 0)
}
