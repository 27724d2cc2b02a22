import { setImmediate } from 'node:timers/promises'
import { NonRetryableError } from '@mcp-worker/runtime'
import type { FailedDocument } from './faults.js'
import type { TextEmbedder } from './lazy-embedder.js'
import type { VectorIndexMetrics } from './metrics.js'
import type { PreparedDocument } from './prepare.js'
import { type Tally, timed } from './tally.js'
import type { Target } from './target.js'
import { unitVector } from './vector.js'

/** By document id, in the order of its chunks. */
export type EmbeddedChunks = Map<string, readonly Float32Array[]>

/** Texts per call: few enough that a cancel is seen within a moment, also with an engine that computes on this thread. */
const TEXTS_PER_CALL = 128

interface EmbedWork {
  readonly target: Target
  readonly embedder: TextEmbedder
  readonly deps: { readonly metrics: VectorIndexMetrics }
  readonly tally: Tally
  readonly signal: AbortSignal
}

/** Embeds the chunks of documents that are new or changed, and answers those with a chunk that has no direction. */
export async function embedChunks(
  steps: readonly { readonly kind: string; readonly document: PreparedDocument }[],
  embedded: EmbeddedChunks,
  work: EmbedWork,
): Promise<readonly FailedDocument[]> {
  const open = steps.flatMap(({ kind, document }) => {
    const wanted = (kind === 'insert' || kind === 'replace') && !embedded.has(document.id)
    return wanted && document.content?.vector === null
      ? [{ id: document.id, place: document.place, texts: document.content.texts }]
      : []
  })
  const texts = open.flatMap((document) => document.texts.map((text) => text ?? ''))
  if (texts.length === 0) return []
  const vectors = await timed(work.tally, 'embed_seconds', () => embedAll(texts, work))
  const failed: FailedDocument[] = []
  let from = 0
  for (const { id, place, texts: own } of open) {
    const chunks = vectors.slice(from, from + own.length)
    from += own.length
    const bad = chunks.find((chunk) => typeof chunk === 'string')
    if (typeof bad === 'string') failed.push({ id, ...place, code: bad })
    else
      embedded.set(
        id,
        chunks.filter((chunk) => typeof chunk !== 'string'),
      )
  }
  return failed
}

async function embedAll(texts: readonly string[], { target, embedder, deps, signal }: EmbedWork) {
  const vectors: ReturnType<typeof unitVector>[] = []
  for (let from = 0; from < texts.length; from += TEXTS_PER_CALL) {
    const slice = texts.slice(from, from + TEXTS_PER_CALL)
    const answer = await deps.metrics.timeEmbed(() => embedder.embed(slice, signal))
    if (answer.length !== slice.length || answer.some((vector) => vector.length !== target.dim)) {
      throw new NonRetryableError(
        `the embedder was to give ${slice.length} vectors of ${target.dim} components, and did not`,
        { code: 'EMBEDDER_MISMATCH' },
      )
    }
    vectors.push(...answer.map(unitVector))
    await setImmediate()
    signal.throwIfAborted()
  }
  return vectors
}
