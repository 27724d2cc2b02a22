import { setImmediate } from 'node:timers/promises'
import { NonRetryableError, RetryableError } from '@mcp-worker/runtime'
import { joinTexts } from './chunk.js'
import { embedChunks } from './embed-chunks.js'
import { type FailedDocument, refuseDocument } from './faults.js'
import { type Checkpoint, type Journal, openJournal } from './journal.js'
import type { ReindexPayload, VectorIndexResult } from './payload.js'
import { type Content, type PreparedDocument, textContent } from './prepare.js'
import { portionsOf } from './portions.js'
import { createProgress, type ProgressReport } from './progress.js'
import type { BuildDocument, CollectionInfo, DocumentContent, GenerationSpec } from './store.js'
import { addFailed, createTally, type Tally, timed } from './tally.js'
import { mustMatch } from './target.js'
import { resultOf, type TaskContext } from './task-context.js'
import { purgeWaste } from './waste.js'
import { type IndexDeps, newContent } from './write-batch.js'

/** Each pass copies what was written during the one before. */
const MAX_PASSES = 100

/**
 * `reindex`: cuts and embeds all texts again, with this worker's embedder, into a new generation beside the one that is searched, and swaps the two when
 * it is complete. Writers go on meanwhile; what they change is copied again. A retried task goes on with the generation that is being built.
 * Throws `COLLECTION_NOT_FOUND`, `EMBEDDER_MISMATCH`, `REINDEX_SUPERSEDED`, and what is wrong with a document where `on_error` is `fail`.
 */
export async function reindexCollection(
  payload: ReindexPayload,
  deps: IndexDeps,
  context: TaskContext,
): Promise<VectorIndexResult> {
  const { store } = deps
  const journal = await openJournal(payload, { store, context })
  const collection = await store.describe(payload.collection)
  if (collection === null) throw notFound(payload.collection)
  const tally = journal.found?.tally ?? createTally()
  if (payload.dry_run) return resultOf(payload, { ...tally, updated: collection.count }, collection)
  const isSwapped = journal.found?.generation === collection.generation
  if (!isSwapped) {
    const spec = await specOf(payload, collection, { ...deps, signal: context.signal })
    await buildGeneration(spec, { payload, deps, context, journal, tally, collection })
  }
  await purgeWaste(store, context.signal)
  await journal.end()
  const now = await store.describe(payload.collection)
  return resultOf(payload, tally, now)
}

async function specOf(
  { chunk, embedder: claimed }: ReindexPayload,
  collection: CollectionInfo,
  { embedder, options, signal }: IndexDeps & Pick<TaskContext, 'signal'>,
): Promise<GenerationSpec> {
  const own = await embedder.describe(signal)
  if (claimed !== undefined) mustMatch(claimed, own.fingerprint, "this worker's embedder")
  return {
    collection: collection.name,
    embedder: own.fingerprint,
    dim: own.dim,
    chunk: chunk ?? collection.chunk ?? options.chunk,
  }
}

interface Building {
  readonly payload: ReindexPayload
  readonly deps: IndexDeps
  readonly context: TaskContext
  readonly journal: Journal
  readonly tally: Tally
  /** As it was at the start. */
  readonly collection: CollectionInfo
}

/** The generation that a pass fills. */
interface Filling extends Building {
  readonly spec: GenerationSpec
  readonly generation: number
  readonly progress: ProgressReport
}

async function buildGeneration(spec: GenerationSpec, building: Building): Promise<void> {
  const { deps, context, journal, tally, collection } = building
  const { signal } = context
  const { generation, count } = await deps.store.build(spec, { signal })
  // what an earlier delivery built and could not say
  tally.updated = Math.max(tally.updated, count - tally.failed_count)
  const progress = createProgress(context, { start: count })
  const filling: Filling = { ...building, spec, generation, progress }
  await journal.save(checkpointOf(filling))
  progress(count, collection.count)
  for (let pass = 0; pass < MAX_PASSES; pass++) {
    await fill(filling)
    const answer = await deps.store.promote(collection.name, generation, { signal })
    if (answer === 'promoted') return
    if (answer === 'gone') throw superseded(collection.name)
  }
  throw new RetryableError(
    `other writers keep changing "${collection.name}" faster than it can be indexed again`,
    { code: 'CONTENTION' },
  )
}

function checkpointOf({ tally, generation }: Filling): Checkpoint {
  return { next: tally.updated, tally, generation }
}

/** One pass over the documents that have no copy yet. */
async function fill(filling: Filling): Promise<void> {
  const { payload, deps, context, journal, tally, collection, generation, progress } = filling
  let after: string | null = null
  do {
    const question = {
      collection: collection.name,
      after,
      limit: payload.batch_size,
      missingFrom: generation,
    }
    const page = await deps.store.list(question)
    for (const ids of portionsOf(page.documents)) {
      await setImmediate()
      context.signal.throwIfAborted()
      await copyDocuments(ids, filling)
      await journal.save(checkpointOf(filling))
      const done = tally.updated + tally.failed_count
      progress(done, Math.max(collection.count, done))
    }
    after = page.next
  } while (after !== null)
}

async function copyDocuments(ids: readonly string[], filling: Filling): Promise<void> {
  const { deps, context, tally, generation, spec } = filling
  const { signal } = context
  const originals = await deps.store.read(spec.collection, ids)
  const prepared = [...originals].map(([id, original]) => ({ ...prepare(id, original, filling), original }))
  const open = prepared.filter(({ content }) => content !== null)
  const embedded = new Map<string, readonly Float32Array[]>()
  const target = { embedder: spec.embedder, dim: spec.dim }
  const steps = open.map((document) => ({ kind: 'insert', document }))
  const zero = await embedChunks(steps, embedded, { target, embedder: deps.embedder, deps, tally, signal })
  const failed = [...prepared.flatMap(({ fault }) => fault ?? []), ...zero]
  refuseOrList(failed, filling)
  const bare = new Set(failed.map(({ id }) => id))
  const documents = prepared.map((document): BuildDocument => {
    const content = bare.has(document.id) ? null : newContent(document, embedded)
    return { id: document.id, seen: document.original.revision, ...(content ?? NOTHING) }
  })
  if (documents.length === 0) return
  const { stale, gone } = await timed(tally, 'write_seconds', () =>
    deps.metrics.timeWrite(() =>
      deps.store.writeBuild({ collection: spec.collection, generation, documents }, { signal }),
    ),
  )
  if (gone) throw superseded(spec.collection)
  const written = documents.filter(({ id }) => !stale.has(id) && !bare.has(id))
  tally.updated += written.length
  tally.chunks += written.reduce((sum, { chunks }) => sum + chunks.length, 0)
  deps.metrics.documents.inc({ outcome: 'updated' }, written.length)
}

/** A document that could not be embedded stays, without a chunk; its hash is no text's, so that the next upsert writes it. */
const NOTHING = { contentHash: '', joints: null, chunks: [] }

type Prepared = PreparedDocument & { readonly fault?: FailedDocument }

function prepare(id: string, original: DocumentContent, { spec, collection }: Filling): Prepared {
  const { sourceId, version, metadata } = original
  const content = contentOf(original, spec, collection)
  const document = { id, place: null, sourceId, version, metadata }
  if (typeof content === 'string') return { ...document, content: null, fault: { id, code: content } }
  return { ...document, content }
}

/** A ready vector of the same embedder is kept; of another one its text is embedded. */
function contentOf(
  { joints, chunks, contentHash }: DocumentContent,
  spec: GenerationSpec,
  collection: CollectionInfo,
): Content | 'NO_TEXT' | 'EMPTY_TEXT' {
  const [first] = chunks
  if (first === undefined) return 'NO_TEXT'
  if (joints === null && collection.embedder === spec.embedder) {
    return { texts: [first.text], joints, vector: first.vector, hash: contentHash }
  }
  const texts = chunks.map(({ text }) => text)
  if (texts.includes(null)) return 'NO_TEXT'
  const text = joinTexts(
    texts.filter((one) => one !== null),
    joints ?? '[]',
  )
  const content = textContent(text, spec.chunk ?? { size: Number.MAX_SAFE_INTEGER, overlap: 0 })
  return content.texts.length === 0 ? 'EMPTY_TEXT' : content
}

function refuseOrList(failed: readonly FailedDocument[], { payload, tally, deps }: Filling): void {
  const [first] = failed
  if (first === undefined) return
  if (payload.on_error === 'fail') throw refuseDocument(first)
  addFailed(tally, failed)
  deps.metrics.documents.inc({ outcome: 'failed' }, failed.length)
}

function superseded(collection: string): NonRetryableError {
  return new NonRetryableError(
    `"${collection}" was dropped, or another reindex of it with other settings was begun: nothing was swapped by this one`,
    { code: 'REINDEX_SUPERSEDED' },
  )
}

function notFound(collection: string): NonRetryableError {
  return new NonRetryableError(`there is no collection "${collection}": there is nothing to index again`, {
    code: 'COLLECTION_NOT_FOUND',
  })
}
