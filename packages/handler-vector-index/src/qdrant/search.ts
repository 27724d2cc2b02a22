import { NonRetryableError } from '@mcp-worker/runtime'
import type { Hit, SearchQuestion } from '../store.js'
import { dotRow } from '../vector.js'
import type { Schemas } from './client.js'
import { type Engine, onCurrent } from './places.js'
import { componentsOf, metadataFilter, type Payload, payloadOf, VECTOR, vectorsOf } from './points.js'
import { getPoints } from './read.js'

/** Throws `COLLECTION_NOT_FOUND`, `DIM_MISMATCH`. */
export async function searchDocuments(engine: Engine, question: SearchQuestion): Promise<readonly Hit[]> {
  const { collection, vector } = question
  const hits = await onCurrent(engine, collection, async ({ place, dim }) => {
    if (dim !== vector.length) {
      throw new NonRetryableError(
        `collection "${collection}" has vectors of ${dim} components, the question has ${vector.length}`,
        { code: 'DIM_MISMATCH' },
      )
    }
    const points = await queryPoints(engine, place, question, !engine.indexed)
    return withTexts(engine, place, points, question)
  })
  if (hits !== null) return hits
  throw new NonRetryableError(`there is no collection "${collection}": index documents into it first`, {
    code: 'COLLECTION_NOT_FOUND',
  })
}

/** Scored by Qdrant: of the rows of a document's multivector the nearest one counts (`max_sim`). */
export async function queryPoints(
  { call }: Engine,
  place: string,
  { vector, k, filter }: SearchQuestion,
  exact: boolean,
  signal?: AbortSignal,
): Promise<readonly Schemas['ScoredPoint'][]> {
  const { points } = await call(
    (api, init) =>
      api.queryPoints(
        {
          collection_name: place,
          query: [componentsOf(vector)],
          using: VECTOR,
          limit: k,
          with_payload: ['id', 'revision', 'metadata', 'texts', 'chunk_count'],
          params: { exact },
          ...(filter !== null && { filter: metadataFilter(filter) }),
        },
        init,
      ),
    signal,
  )
  return points
}

type HitPayload = Pick<Payload, 'id' | 'revision' | 'metadata' | 'texts' | 'chunk_count'>

/** Components of vectors that one answer may hold. */
const MAX_COMPONENTS = 1_000_000

/** Which chunk it was Qdrant does not say: it is found again among the document's vectors, where there are several. */
async function withTexts(
  engine: Engine,
  place: string,
  points: readonly Schemas['ScoredPoint'][],
  { vector }: SearchQuestion,
): Promise<readonly Hit[]> {
  const found = points.map((point) => ({ payload: payloadOf<keyof HitPayload>(point), score: point.score }))
  const nearest = new Map<string, Hit>()
  for (const ids of portions(
    found.map(({ payload }) => payload),
    vector.length,
  )) {
    const full = await getPoints(engine, place, ids, ['id', 'metadata', 'texts'], true)
    for (const point of full) {
      const hit = nearestChunk(point, vector)
      if (hit !== null) nearest.set(hit.id, hit)
    }
  }
  return found
    .map(
      ({ payload: { id, metadata, texts }, score }) =>
        nearest.get(id) ?? { id, score, text: texts[0] ?? null, metadata },
    )
    .toSorted((a, b) => b.score - a.score)
}

function* portions(payloads: readonly HitPayload[], dim: number): Generator<readonly string[]> {
  let ids: string[] = []
  let components = 0
  for (const { id, chunk_count } of payloads) {
    if (chunk_count < 2) continue
    if (ids.length > 0 && components + chunk_count * dim > MAX_COMPONENTS) {
      yield ids
      ids = []
      components = 0
    }
    ids.push(id)
    components += chunk_count * dim
  }
  if (ids.length > 0) yield ids
}

/** All of one version of the document: it may have been written since it was found. */
function nearestChunk(point: Schemas['Record'], vector: Float32Array): Hit | null {
  const { id, metadata, texts } = payloadOf<'id' | 'metadata' | 'texts'>(point)
  let best: Hit | null = null
  for (const [i, row] of vectorsOf(point).entries()) {
    const score = row.length === vector.length ? dotRow(row, 0, vector) : -Infinity
    if (best === null || score > best.score) best = { id, score, text: texts[i] ?? null, metadata }
  }
  return best
}
