import type { Entry } from './documents.js'
import type { FailedDocument, PreparedDocument } from './prepare.js'

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
  entries: AsyncIterable<Entry>,
  batchSize: number,
  prepare: (entry: Entry) => PreparedDocument | FailedDocument,
): AsyncGenerator<Batch> {
  let documents = new Map<string, PreparedDocument>()
  let failed: FailedDocument[] = []
  let weight = 0
  let start: number | null = null
  let next = 0
  for await (const entry of entries) {
    const prepared = prepare(entry)
    start ??= entry.position
    const full = documents.size + failed.length >= batchSize || weight >= MAX_BATCH_WEIGHT
    if (full || documents.has(prepared.id)) {
      yield { documents: [...documents.values()], failed, start, next }
      start = entry.position
      documents = new Map()
      failed = []
      weight = 0
    }
    if ('code' in prepared) failed.push(prepared)
    else documents.set(prepared.id, prepared)
    weight += weightOf(prepared)
    next = entry.position + 1
  }
  if (start !== null && next > start) yield { documents: [...documents.values()], failed, start, next }
}

function weightOf(prepared: PreparedDocument | FailedDocument): number {
  if ('code' in prepared || prepared.content === null) return 0
  const { texts, vector } = prepared.content
  return texts.reduce((sum, text) => sum + (text?.length ?? 0), vector?.length ?? 0)
}
