import { setImmediate } from 'node:timers/promises'
import { NonRetryableError, RetryableError } from '@mcp-worker/runtime'
import { contentHash } from './identity.js'
import { type Checkpoint, openJournal } from './journal.js'
import type { VectorIndexResult, Verified, VerifyPayload } from './payload.js'
import { portionsOf } from './portions.js'
import { createProgress } from './progress.js'
import type {
  CollectionInfo,
  DocumentContent,
  DocumentPage,
  ListQuestion,
  Problem,
  VectorStore,
} from './store.js'
import { createTally } from './tally.js'
import { resultOf, type TaskContext } from './task-context.js'

/** What `verify` can find. */
export const PROBLEMS = {
  VECTOR_DIM: 'a vector has another dimension than its collection',
  VECTOR_NOT_FINITE: 'a vector has a component that is not a finite number',
  VECTOR_NOT_UNIT: 'a vector is not of length 1',
  HASH_MISMATCH: 'the content does not match the hash that it was stored with',
  NO_CHUNKS: 'a reindex could not embed the document: it is never found',
  METADATA_INVALID: 'the metadata are not a JSON object',
  UNREADABLE: 'the store cannot read it',
  COUNT_MISMATCH: 'the counts of the collection are not those of its rows',
  ORPHAN_CHUNKS: 'chunks belong to no document',
  FILE_DAMAGED: "the engine's own check of the file failed",
} as const

export type ProblemCode = keyof typeof PROBLEMS

const MAX_LISTED = 100
/** float32 components of a unit vector: rounding moves its length by less than this. */
const LENGTH_TOLERANCE = 1e-3
const RECALL_SAMPLE = { vectors: 100, k: 10 }

/** `verify`: reads every document and asks the engine; changes nothing. Throws `COLLECTION_NOT_FOUND`, `CONTENTION` (retryable: it was swapped). */
export async function verifyCollection(
  payload: VerifyPayload,
  { store }: { readonly store: VectorStore },
  context: TaskContext,
): Promise<VectorIndexResult> {
  const collection = await store.describe(payload.collection)
  if (collection === null) {
    throw new NonRetryableError(
      `there is no collection "${payload.collection}": there is nothing to verify`,
      {
        code: 'COLLECTION_NOT_FOUND',
      },
    )
  }
  const { signal } = context
  const verified = await verifyAll(payload, collection, { store, context })
  const inspected = await orUnreadable(null, () => store.inspect(collection.name, { signal }))
  addProblems(verified, inspected)
  const recall = await store.sampleRecall(collection.name, RECALL_SAMPLE, { signal })
  return resultOf(payload, createTally(), collection, { verified: { ...verified, recall } })
}

interface Around {
  readonly store: VectorStore
  readonly context: TaskContext
}

async function verifyAll(
  payload: VerifyPayload,
  collection: CollectionInfo,
  { store, context }: Around,
): Promise<Verified> {
  const { batch_size: limit } = payload
  const source = `generation ${collection.generation}`
  const journal = await openJournal(payload, { store, context, source })
  const found = journal.found
  const verified: Verified = found?.verified ?? { checked: 0, problems: [], problem_count: 0, recall: null }
  const progress = createProgress(context, { start: verified.checked })
  let after = found?.after ?? null
  do {
    await setImmediate()
    context.signal.throwIfAborted()
    const page = await listPage({ collection: collection.name, after, limit }, { store, verified })
    const problems = await verifyPage(page, collection, store)
    await refuseSwap(collection, store)
    addProblems(verified, problems)
    verified.checked += page.documents.length
    progress(verified.checked, Math.max(collection.count, verified.checked))
    after = page.next
    if (after === null) break
    const at: Checkpoint = { next: verified.checked, tally: createTally(), after, verified }
    await journal.save(at)
  } while (after !== null)
  return verified
}

function addProblems(verified: Verified, problems: readonly Problem[]): void {
  const room = MAX_LISTED - verified.problems.length
  verified.problem_count += problems.length
  verified.problems.push(...problems.slice(0, room))
}

/** A list that cannot be read is a problem, and ends there. */
async function listPage(
  question: ListQuestion,
  { store, verified }: { readonly store: VectorStore; readonly verified: Verified },
): Promise<DocumentPage> {
  let page: DocumentPage = { documents: [], next: null }
  const problems = await orUnreadable(null, async () => {
    page = await store.list(question)
    return []
  })
  addProblems(verified, problems)
  return page
}

async function verifyPage(
  { documents }: DocumentPage,
  collection: CollectionInfo,
  store: VectorStore,
): Promise<readonly Problem[]> {
  const problems: Problem[] = []
  for (const ids of portionsOf(documents)) problems.push(...(await verifyDocuments(ids, collection, store)))
  return problems
}

/** Together, and where that cannot be read each by itself. A document that was deleted since it was listed has no problem. */
async function verifyDocuments(
  ids: readonly string[],
  collection: CollectionInfo,
  store: VectorStore,
): Promise<readonly Problem[]> {
  try {
    return problemsOf(await store.read(collection.name, ids), collection, store)
  } catch (error) {
    if (!isCorrupt(error)) throw error
    const [only] = ids
    if (ids.length === 1 && only !== undefined) return [unreadable(only, error)]
    const problems: Problem[] = []
    for (const id of ids) problems.push(...(await verifyDocuments([id], collection, store)))
    return problems
  }
}

function problemsOf(
  documents: ReadonlyMap<string, DocumentContent>,
  collection: CollectionInfo,
  { capabilities }: VectorStore,
): readonly Problem[] {
  return [...documents].flatMap(([id, document]) => {
    const codes = new Set(findProblems(document, collection, capabilities.exactVectors))
    return [...codes].map((code) => ({ id, code, detail: PROBLEMS[code] }))
  })
}

/** What was read may be of two generations. */
async function refuseSwap({ name, generation }: CollectionInfo, store: VectorStore): Promise<void> {
  if ((await store.describe(name))?.generation === generation) return
  throw new RetryableError(`"${name}" was indexed again or dropped while it was verified`, {
    code: 'CONTENTION',
  })
}

async function orUnreadable(
  id: string | null,
  look: () => Promise<readonly Problem[]>,
): Promise<readonly Problem[]> {
  try {
    return await look()
  } catch (error) {
    if (!isCorrupt(error)) throw error
    return [unreadable(id, error)]
  }
}

function unreadable(id: string | null, { message }: Error): Problem {
  return { id, code: 'UNREADABLE', detail: message }
}

function isCorrupt(error: unknown): error is Error {
  return error instanceof Error && 'code' in error && error.code === 'STORE_CORRUPT'
}

/** Pure: what is wrong with a document as it was read. `exactVectors`: bits matter, so the hash of a ready vector can be compared. */
export function findProblems(
  { chunks, joints, contentHash: hash, metadata, intact }: DocumentContent,
  { dim }: Pick<CollectionInfo, 'dim'>,
  exactVectors: boolean,
): readonly ProblemCode[] {
  const problems: ProblemCode[] = chunks.flatMap(({ vector }) => vectorProblem(vector, dim) ?? [])
  if (!isObject(metadata)) problems.push('METADATA_INVALID')
  if (chunks.length === 0) return [...problems, intact ? 'NO_CHUNKS' : 'HASH_MISMATCH']
  const texts = chunks.map(({ text }) => text)
  const ready = joints === null ? (chunks[0]?.vector ?? null) : null
  const comparable = ready === null || exactVectors
  if (!intact || (comparable && contentHash(texts, ready) !== hash)) problems.push('HASH_MISMATCH')
  return problems
}

function vectorProblem(vector: Float32Array, dim: number): ProblemCode | null {
  if (vector.length !== dim) return 'VECTOR_DIM'
  if (!vector.every(Number.isFinite)) return 'VECTOR_NOT_FINITE'
  const length = Math.sqrt(vector.reduce((sum, x) => sum + x * x, 0))
  return Math.abs(length - 1) > LENGTH_TOLERANCE ? 'VECTOR_NOT_UNIT' : null
}

function isObject(json: string): boolean {
  try {
    const value: unknown = JSON.parse(json)
    return typeof value === 'object' && value !== null && !Array.isArray(value)
  } catch {
    return false
  }
}
