import { NonRetryableError } from '@mcp-worker/runtime'
import type { TextEmbedder } from './lazy-embedder.js'
import type { PreparedDocument } from './prepare.js'
import { type CollectionInfo, EXTERNAL_EMBEDDER } from './store.js'

/** Whose vectors a collection holds, and how long they are: those of the collection, or of the first batch that makes it. */
export interface Target {
  readonly embedder: string
  readonly dim: number
}

interface Embedders {
  /** What the payload says about its vectors. */
  readonly claimed: string | undefined
  /** For texts. It is opened where a document has one to embed. */
  readonly embedder: TextEmbedder
  readonly signal: AbortSignal
}

/** null: nothing here has content, and there is no collection. Throws `EMBEDDER_MISMATCH`: vectors of two embedders cannot be compared. */
export async function chooseTarget(
  documents: readonly PreparedDocument[],
  collection: CollectionInfo | null,
  { claimed, embedder, signal }: Embedders,
): Promise<Target | null> {
  const hasReady = documents.some(({ content }) => content !== null && content.vector !== null)
  const hasTexts = documents.some(({ content }) => content !== null && content.vector === null)
  let target: Target | null = collection
  if (hasTexts) {
    const own = await embedder.describe(signal)
    target ??= { embedder: own.fingerprint, dim: own.dim }
    mustMatch(target.embedder, own.fingerprint, "this worker's embedder")
    if (claimed !== undefined) mustMatch(claimed, own.fingerprint, "this worker's embedder")
  }
  if (hasReady) {
    const given = claimed ?? EXTERNAL_EMBEDDER
    target ??= { embedder: given, dim: commonDim(documents) }
    mustMatch(target.embedder, given, 'the ready vectors (say otherwise with the payload field embedder)')
  }
  return target
}

export function mustMatch(expected: string, actual: string, whose: string): void {
  if (expected === actual) return
  throw new NonRetryableError(
    `expected vectors of the embedder "${expected}", but ${whose} gave "${actual}". ` +
      'Use another collection, or give this one the new embedder with the operation reindex',
    { code: 'EMBEDDER_MISMATCH' },
  )
}

/** The most frequent length, so that one bad vector does not decide for a new collection. */
function commonDim(documents: readonly PreparedDocument[]): number {
  const counts = new Map<number, number>()
  for (const { content } of documents) {
    if (content?.vector) counts.set(content.vector.length, (counts.get(content.vector.length) ?? 0) + 1)
  }
  const [most = [0, 0]] = [...counts].toSorted(([, a], [, b]) => b - a)
  return most[0]
}
