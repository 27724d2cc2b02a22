import { NonRetryableError, RetryableError } from '@mcp-worker/runtime'
import type { Batch } from './batches.js'
import { decideWrite, mergedFields, type WriteDecision, writeModeOf } from './decide-write.js'
import { embedChunks, type EmbeddedChunks } from './embed-chunks.js'
import { type FailedDocument, refuseDocument } from './faults.js'
import type { Checkpoint, Journal } from './journal.js'
import type { TextEmbedder } from './lazy-embedder.js'
import type { VectorIndexMetrics } from './metrics.js'
import type { ChunkOptions, VectorIndexOptions } from './options.js'
import type { WritePayload } from './payload.js'
import type { PreparedDocument } from './prepare.js'
import type { CollectionInfo, DocumentWrite, NewContent, StoredDocument, VectorStore } from './store.js'
import { addFailed, copyTally, type Tally, timed } from './tally.js'
import { chooseTarget, type Target } from './target.js'

export interface IndexDeps {
  readonly store: VectorStore
  readonly embedder: TextEmbedder
  readonly metrics: VectorIndexMetrics
  readonly options: Pick<VectorIndexOptions, 'chunk' | 'maxTextLength'>
}

/** What the batches of one task share. */
export interface Work {
  readonly payload: WritePayload
  readonly deps: IndexDeps
  readonly chunk: ChunkOptions
  readonly journal: Journal
  readonly tally: Tally
  readonly signal: AbortSignal
}

/** More rounds than a handful mean that other writers rewrite the same documents all the time. */
const MAX_ROUNDS = 20

/**
 * Look the batch's documents up → decide → embed what changed → write in one transaction. Embedding happens outside the transaction; a document that
 * another writer changed meanwhile comes back as stale and goes round again.
 */
export async function writeBatch(batch: Batch, work: Work): Promise<void> {
  const embedded: EmbeddedChunks = new Map()
  const done = new Set<string>()
  const state = { batch, embedded, done, work }
  reportFailed(batch.failed, state)
  let open = batch.documents
  for (let round = 0; open.length > 0; round++) {
    if (round === MAX_ROUNDS) {
      throw new RetryableError('other writers keep changing the same documents', { code: 'CONTENTION' })
    }
    open = await writeRound(open, state)
  }
}

interface BatchState {
  readonly batch: Batch
  /** Kept over the rounds, so that nothing is embedded twice. */
  readonly embedded: EmbeddedChunks
  /** Ids that were written or have failed. */
  readonly done: Set<string>
  readonly work: Work
}

/** Answers the documents that another writer got to first. */
async function writeRound(
  documents: readonly PreparedDocument[],
  state: BatchState,
): Promise<readonly PreparedDocument[]> {
  const { payload, deps, signal, tally } = state.work
  const collection = await deps.store.describe(payload.collection)
  const embedders = { claimed: payload.embedder, embedder: deps.embedder, signal }
  const target = await chooseTarget(documents, collection, embedders)
  const plan = await planRound(documents, { collection, target, work: state.work })
  reportFailed(plan.failed, state)
  if (target === null || payload.dry_run) {
    countSteps(tally, plan.steps)
    return []
  }
  const zero = await embedChunks(plan.steps, state.embedded, {
    ...state.work,
    target,
    embedder: deps.embedder,
  })
  reportFailed(zero, state)
  const bad = new Set(zero.map(({ id }) => id))
  const steps = plan.steps.filter(({ document }) => !bad.has(document.id))
  const stale = await commit(steps, target, state)
  const written = steps.filter(({ document }) => !stale.has(document.id))
  countSteps(tally, written)
  for (const { kind } of written) deps.metrics.documents.inc({ outcome: OUTCOMES[kind] })
  for (const { document } of written) state.done.add(document.id)
  signal.throwIfAborted()
  return documents.filter(({ id }) => stale.has(id))
}

const NOTHING_STALE: ReadonlySet<string> = new Set()

async function commit(
  steps: readonly Step[],
  { embedder, dim }: Target,
  { work, embedded, batch, done }: BatchState,
): Promise<ReadonlySet<string>> {
  const { payload, deps, signal, tally, chunk, journal } = work
  const documents = steps.flatMap((step) =>
    step.kind === 'unchanged' ? [] : [writeOf(step, embedded, payload)],
  )
  if (documents.length === 0) return NOTHING_STALE
  const hasTexts = documents.some(({ content }) => content !== null && content.joints !== null)
  const write = { collection: payload.collection, embedder, dim, chunk: hasTexts ? chunk : null, documents }
  const after = ({ stale }: { readonly stale: ReadonlySet<string> }): Checkpoint => {
    const written = steps.filter(({ document }) => !stale.has(document.id))
    const counted = countSteps(copyTally(tally), written)
    if (stale.size === 0) return { next: batch.next, tally: counted }
    const ids = [...done, ...written.map(({ document }) => document.id)]
    return { next: batch.start, tally: counted, done: ids }
  }
  const mark = journal.mark(after)
  const answer = await timed(tally, 'write_seconds', () =>
    deps.metrics.timeWrite(() => deps.store.write(write, { signal, ...mark })),
  )
  return answer.stale
}

/** A document, what is stored of it, and what is to be done. */
interface Step {
  readonly document: PreparedDocument
  readonly stored: StoredDocument | undefined
  readonly kind: Exclude<WriteDecision['kind'], 'failed'>
}

interface Planning {
  readonly collection: CollectionInfo | null
  readonly target: Target | null
  readonly work: Work
}

async function planRound(
  documents: readonly PreparedDocument[],
  { collection, target, work: { payload, deps } }: Planning,
): Promise<{ readonly steps: readonly Step[]; readonly failed: readonly FailedDocument[] }> {
  const mode = writeModeOf(payload)
  const ids = documents.map(({ id }) => id)
  const found =
    collection === null ? new Map<string, StoredDocument>() : await deps.store.lookup(collection.name, ids)
  const steps: Step[] = []
  const failed: FailedDocument[] = []
  for (const document of documents) {
    const { id, place, content } = document
    const stored = found.get(id)
    const decision = decideWrite(document, stored, mode)
    if (decision.kind === 'failed') failed.push({ id, ...place, code: decision.code })
    else if (content?.vector && content.vector.length !== target?.dim)
      failed.push({ id, ...place, code: 'DIM_MISMATCH', detail: dimDetail(target, content.vector) })
    else steps.push({ document, stored, kind: decision.kind })
  }
  return { steps, failed }
}

function dimDetail(target: Target | null, vector: Float32Array): string {
  return `expected ${target?.dim} components, got ${vector.length}`
}

function writeOf(
  { document, stored, kind }: Step,
  embedded: EmbeddedChunks,
  payload: WritePayload,
): DocumentWrite {
  const fields = mergedFields(document, stored, writeModeOf(payload))
  const content = kind === 'touch' ? null : newContent(document, embedded)
  return { id: document.id, seen: stored?.revision ?? null, ...fields, content }
}

/** null: the document names none. */
export function newContent(
  { id, content }: Pick<PreparedDocument, 'id' | 'content'>,
  embedded: EmbeddedChunks,
): NewContent | null {
  if (content === null) return null
  const vectors = content.vector === null ? embedded.get(id) : [content.vector]
  const chunks = content.texts.map((text, i) => {
    const vector = vectors?.[i]
    if (vector === undefined)
      throw new NonRetryableError('a chunk was not embedded: a defect of this package')
    return { text, vector }
  })
  return { contentHash: content.hash, joints: content.joints, chunks }
}

const OUTCOMES = { insert: 'inserted', replace: 'updated', touch: 'updated', unchanged: 'unchanged' } as const

/** Adds to the tally and answers it. */
function countSteps(tally: Tally, steps: readonly Step[]): Tally {
  for (const { kind, document } of steps) {
    tally[OUTCOMES[kind]]++
    if (kind === 'insert' || kind === 'replace') tally.chunks += document.content?.texts.length ?? 0
  }
  return tally
}

/** Lists them, or ends the task at the first one where `on_error` is `fail`. */
function reportFailed(failed: readonly FailedDocument[], { work, done }: BatchState): void {
  const [first] = failed
  if (first === undefined) return
  if (work.payload.on_error === 'fail') throw refuseDocument(first)
  addFailed(work.tally, failed)
  for (const { id } of failed) done.add(id)
  if (!work.payload.dry_run) work.deps.metrics.documents.inc({ outcome: 'failed' }, failed.length)
}
