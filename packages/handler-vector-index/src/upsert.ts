import { setImmediate } from 'node:timers/promises'
import { NonRetryableError, RetryableError } from '@mcp-worker/runtime'
import { batchesOf, type Batch } from './batches.js'
import { decideWrite, mergedFields, type WriteDecision, writeModeOf } from './decide-write.js'
import type { DocumentSource } from './documents.js'
import { embedChunks, type EmbeddedChunks } from './embed-chunks.js'
import { refuseDocument } from './faults.js'
import type { TextEmbedder } from './lazy-embedder.js'
import type { VectorIndexMetrics } from './metrics.js'
import type { VectorIndexOptions } from './options.js'
import type { VectorIndexResult, WritePayload } from './payload.js'
import type { FailedDocument, PreparedDocument } from './prepare.js'
import type { CollectionInfo, DocumentWrite, StoredDocument, VectorStore } from './store.js'
import { addFailed, createTally, type Tally, timed } from './tally.js'
import { chooseTarget, type Target } from './target.js'
import { type Checkpoint, resultOf, type TaskContext } from './task-context.js'

export interface UpsertDeps {
  readonly store: VectorStore
  readonly embedder: TextEmbedder
  readonly metrics: VectorIndexMetrics
  readonly options: Pick<VectorIndexOptions, 'chunk' | 'max_text_length'>
}

/** More rounds than a handful mean that other writers rewrite the same documents all the time. */
const MAX_ROUNDS = 20

/**
 * `upsert` and `update`: read a batch → look its documents up → decide → embed what changed → write in one transaction → checkpoint.
 * Embedding happens outside the transaction; a document that another writer changed meanwhile comes back as stale and goes round again.
 */
export async function writeDocuments(
  payload: WritePayload,
  source: DocumentSource,
  deps: UpsertDeps,
  context: TaskContext,
): Promise<VectorIndexResult> {
  const { next: start, tally } = resume(source, context)
  const prepare = { chunk: payload.chunk ?? deps.options.chunk, maxTextLength: deps.options.max_text_length }
  context.progress(start, source.total)
  for await (const batch of batchesOf(source.entries(start), payload.batch_size, prepare)) {
    // a turn of the event loop: the signal's message cannot come in while this thread computes
    await setImmediate()
    context.signal.throwIfAborted()
    await writeBatch(batch, { payload, deps, tally, signal: context.signal })
    const checkpoint: Checkpoint = { next: batch.next, source: source.identity, tally }
    if (!payload.dry_run) await context.checkpoint.set(checkpoint)
    context.progress(batch.next, source.total)
  }
  return resultOf(payload, tally, await deps.store.describe(payload.collection))
}

function resume(source: DocumentSource, context: TaskContext): { next: number; tally: Tally } {
  const left = context.checkpoint.get<Checkpoint>()
  if (left === null || left.source !== source.identity) return { next: 0, tally: createTally() }
  return { next: left.next, tally: left.tally }
}

interface BatchWork {
  readonly payload: WritePayload
  readonly deps: UpsertDeps
  readonly tally: Tally
  readonly signal: AbortSignal
}

async function writeBatch(batch: Batch, work: BatchWork): Promise<void> {
  reportFailed(batch.failed, work)
  const embedded: EmbeddedChunks = new Map()
  let open = batch.documents
  for (let round = 0; open.length > 0; round++) {
    if (round === MAX_ROUNDS) {
      throw new RetryableError('other writers keep changing the same documents', { code: 'CONTENTION' })
    }
    open = await writeRound(open, embedded, work)
  }
}

/** Answers the documents that another writer got to first. */
async function writeRound(
  documents: readonly PreparedDocument[],
  embedded: EmbeddedChunks,
  work: BatchWork,
): Promise<readonly PreparedDocument[]> {
  const { payload, deps, signal } = work
  const { store } = deps
  const collection = await store.describe(payload.collection)
  const target = await chooseTarget(documents, collection, {
    claimed: payload.embedder,
    embedder: deps.embedder,
  })
  const plan = await planRound(documents, collection, target, payload, store)
  reportFailed(plan.failed, work)
  if (target === null || payload.dry_run) {
    countDecisions(plan.steps, work)
    return []
  }
  const zero = await embedChunks(plan.steps, embedded, { target, embedder: deps.embedder, ...work })
  reportFailed(zero, work)
  const bad = new Set(zero.map(({ id }) => id))
  const steps = plan.steps.filter(({ document }) => !bad.has(document.id))
  const writes = steps.flatMap((step) =>
    step.kind === 'unchanged' ? [] : [writeOf(step, embedded, payload)],
  )
  const batch = {
    collection: payload.collection,
    embedder: target.embedder,
    dim: target.dim,
    documents: writes,
  }
  const stale =
    writes.length === 0
      ? new Set<string>()
      : (
          await timed(work.tally, 'write_seconds', () =>
            deps.metrics.timeWrite(() => store.write(batch, signal)),
          )
        ).stale
  countDecisions(
    steps.filter(({ document }) => !stale.has(document.id)),
    work,
  )
  return documents.filter(({ id }) => stale.has(id))
}

/** A document, what is stored of it, and what is to be done. */
export interface Step {
  readonly document: PreparedDocument
  readonly stored: StoredDocument | undefined
  readonly kind: Exclude<WriteDecision['kind'], 'failed'>
}

async function planRound(
  documents: readonly PreparedDocument[],
  collection: CollectionInfo | null,
  target: Target | null,
  payload: WritePayload,
  store: VectorStore,
): Promise<{ readonly steps: readonly Step[]; readonly failed: readonly FailedDocument[] }> {
  const mode = writeModeOf(payload)
  const ids = documents.map(({ id }) => id)
  const found =
    collection === null ? new Map<string, StoredDocument>() : await store.lookup(collection.name, ids)
  const steps: Step[] = []
  const failed: FailedDocument[] = []
  for (const document of documents) {
    const { id, content } = document
    const stored = found.get(id)
    const decision = decideWrite(document, stored, mode)
    if (decision.kind === 'failed') failed.push({ id, code: decision.code })
    else if (content?.vector && content.vector.length !== target?.dim)
      failed.push({ id, code: 'DIM_MISMATCH' })
    else steps.push({ document, stored, kind: decision.kind })
  }
  return { steps, failed }
}

function writeOf(
  { document, stored, kind }: Step,
  embedded: EmbeddedChunks,
  payload: WritePayload,
): DocumentWrite {
  const fields = mergedFields(document, stored, writeModeOf(payload))
  const base = { id: document.id, seen: stored?.revision ?? null, ...fields }
  if (kind === 'touch' || document.content === null) {
    return { ...base, contentHash: stored?.contentHash ?? '', chunks: null }
  }
  const { hash, texts, vector } = document.content
  const vectors = vector === null ? embedded.get(document.id) : [vector]
  const chunks = texts.map((text, i) => {
    const own = vectors?.[i]
    if (own === undefined) throw new NonRetryableError('a chunk was not embedded: a defect of this package')
    return { text, vector: own }
  })
  return { ...base, contentHash: hash, chunks }
}

const OUTCOMES = { insert: 'inserted', replace: 'updated', touch: 'updated', unchanged: 'unchanged' } as const

function countDecisions(steps: readonly Step[], { tally, deps, payload }: BatchWork): void {
  for (const { kind, document } of steps) {
    const outcome = OUTCOMES[kind]
    tally[outcome]++
    if (kind === 'insert' || kind === 'replace') tally.chunks += document.content?.texts.length ?? 0
    if (!payload.dry_run) deps.metrics.documents.inc({ outcome })
  }
}

/** Lists them, or ends the task at the first one where `on_error` is `fail`. */
function reportFailed(failed: readonly FailedDocument[], { payload, tally, deps }: BatchWork): void {
  const first = failed[0]
  if (first === undefined) return
  if (payload.on_error === 'fail') throw refuseDocument(first.id, first.code)
  addFailed(tally, failed)
  if (!payload.dry_run) deps.metrics.documents.inc({ outcome: 'failed' }, failed.length)
}
