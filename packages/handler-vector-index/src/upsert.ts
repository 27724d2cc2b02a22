import { setImmediate } from 'node:timers/promises'
import { type Batch, batchesOf } from './batches.js'
import type { DocumentSource, Entry } from './documents.js'
import type { FailedDocument } from './faults.js'
import { type Checkpoint, type Journal, openJournal } from './journal.js'
import type { VectorIndexResult, WritePayload } from './payload.js'
import { prepareDocument, type PreparedDocument } from './prepare.js'
import { createProgress } from './progress.js'
import { createTally } from './tally.js'
import { resultOf, type TaskContext } from './task-context.js'
import { type IndexDeps, type Work, writeBatch } from './write-batch.js'

/** `upsert` and `update`: read a batch → write it (write-batch.ts) → checkpoint. */
export async function writeDocuments(
  payload: WritePayload,
  source: DocumentSource,
  deps: IndexDeps,
  context: TaskContext,
): Promise<VectorIndexResult> {
  const journal = await openJournal(payload, { store: deps.store, context, source: source.identity })
  const { tally } = await writeAll(payload, source, { deps, context, journal })
  await journal.end()
  return resultOf(payload, tally, await deps.store.describe(payload.collection))
}

interface Around {
  readonly deps: IndexDeps
  readonly context: TaskContext
  readonly journal: Journal
  /** A look at each entry before it is written. Default: as it is. */
  readonly look?: (
    entry: Entry,
    prepared: PreparedDocument | FailedDocument,
  ) => PreparedDocument | FailedDocument
}

/** Writes what the source has, from the journal's checkpoint on; answers the last one. */
export async function writeAll(
  payload: WritePayload,
  source: DocumentSource,
  { deps, context, journal, look = (_, prepared) => prepared }: Around,
): Promise<Checkpoint> {
  const { next: start, tally, done = [] } = journal.found ?? { next: 0, tally: createTally() }
  const { signal } = context
  // as the collection was cut before, so that the same text stays unchanged
  const stored = payload.chunk ?? (await deps.store.describe(payload.collection))?.chunk
  const chunk = stored ?? deps.options.chunk
  const work: Work = { payload, deps, chunk, journal, tally, signal }
  const options = { chunk, maxTextLength: deps.options.maxTextLength }
  const prepare = (entry: Entry) => look(entry, prepareDocument(entry, options))
  const progress = createProgress(context, { start })
  let checkpoint: Checkpoint = { next: start, tally }
  progress(start, source.total)
  for await (const batch of batchesOf(source.entries(start), payload.batch_size, prepare)) {
    // a turn of the event loop: the signal's message cannot come in while this thread computes
    await setImmediate()
    signal.throwIfAborted()
    await writeBatch(batch.start === start ? without(batch, done) : batch, work)
    checkpoint = { next: batch.next, tally }
    await journal.save(checkpoint)
    progress(batch.next, source.total)
  }
  return checkpoint
}

function without(batch: Batch, ids: readonly string[]): Batch {
  const done = new Set(ids)
  return {
    ...batch,
    documents: batch.documents.filter(({ id }) => !done.has(id)),
    failed: batch.failed.filter(({ id }) => !done.has(id)),
  }
}
