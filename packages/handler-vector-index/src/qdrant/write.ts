import type { BatchWrite, DocumentWrite, WriteAnswer } from '../store.js'
import { wellFormed } from '../well-formed.js'
import type { Schemas } from './client.js'
import { ignoreMissing, isNotFound } from './errors.js'
import { newStamp, pointId } from './ids.js'
import { type Engine, makePlace, pointAlias } from './places.js'
import {
  anyOf,
  contentOf,
  fieldsOf,
  IS_SLOT,
  mustFit,
  type Payload,
  payloadOf,
  pointOf,
  unchanged,
} from './points.js'
import type { Entry, Generation } from './registry-entry.js'

/** The document with the revision that it will have. */
interface Write {
  readonly document: DocumentWrite
  readonly revision: number
}

type Operation = Schemas['UpdateOperation']

/**
 * Each document is one point, written under the condition that it still has the revision that was seen. Qdrant does not say which points met it: they
 * are read back. What a generation was written that is not current any more when all is done counts for nothing.
 */
export async function writeBatch(
  engine: Engine,
  batch: BatchWrite,
  signal: AbortSignal,
): Promise<WriteAnswer> {
  const all = new Set(batch.documents.map(({ id }) => id))
  if (all.size === 0) return { stale: all }
  for (const { id, content } of batch.documents) mustFit(id, content?.chunks ?? [])
  const { current } = await openCollection(engine, batch, signal)
  if (current.embedder !== batch.embedder || current.dim !== batch.dim) return { stale: all }
  const writes = batch.documents.map((document) => ({ document, revision: newStamp() }))
  try {
    await sendWrites(engine, current.place, writes, signal)
    const written = await readBack(engine, current.place, writes, signal)
    const now = await engine.registry.waitUnsealed(batch.collection, signal)
    if (now?.current?.place !== current.place) return { stale: all }
    if (now.building !== null) await dropCopies(engine, now.building, written, signal)
    for (const { document } of written) all.delete(document.id)
    return { stale: all }
  } catch (error) {
    // purged under our hands: it is not current any more
    if (isNotFound(error)) return { stale: all }
    throw error
  }
}

/** The collection, made if it is not there, unsealed. */
async function openCollection(
  engine: Engine,
  batch: BatchWrite,
  signal: AbortSignal,
): Promise<Entry & { readonly current: Generation }> {
  const { registry } = engine
  for (;;) {
    const entry = await registry.waitUnsealed(batch.collection, signal)
    if (entry !== null && entry.current !== null) return { ...entry, current: entry.current }
    const number = (entry?.lastGeneration ?? 0) + 1
    const current = await makePlace(engine, batch, number, signal)
    const made = await registry.change(
      entry,
      {
        name: batch.collection,
        lastGeneration: number,
        current,
        building: null,
        seal: null,
        waste: entry?.waste ?? [],
      },
      signal,
    )
    if (made !== null) {
      await pointAlias(engine, batch.collection, current.place)
      return { ...made, current }
    }
    // somebody else made it first; ours is in nobody's way
    await engine.call((api, init) => api.deleteCollection({ collection_name: current.place }, init), signal)
  }
}

async function sendWrites(
  { call }: Engine,
  place: string,
  writes: readonly Write[],
  signal: AbortSignal,
): Promise<void> {
  for (const part of portions(writes)) {
    await call(
      (api, init) =>
        api.batchUpdate(
          { collection_name: place, wait: true, ordering: 'strong', operations: operationsOf(part) },
          init,
        ),
      signal,
    )
  }
}

/** Of vectors and texts, in components and characters: Qdrant takes requests up to 32 MiB, and a component is about 11 bytes of JSON. */
const MAX_PORTION_WEIGHT = 500_000

function* portions(writes: readonly Write[]): Generator<readonly Write[]> {
  let part: Write[] = []
  let weight = 0
  for (const write of writes) {
    const own = weightOf(write.document)
    if (part.length > 0 && weight + own > MAX_PORTION_WEIGHT) {
      yield part
      part = []
      weight = 0
    }
    part.push(write)
    weight += own
  }
  if (part.length > 0) yield part
}

function weightOf({ content }: DocumentWrite): number {
  return (content?.chunks ?? []).reduce(
    (sum, { vector, text }) => sum + vector.length + (text?.length ?? 0) / 8,
    100,
  )
}

/** Inserts, replacements, and documents whose content stays. */
function operationsOf(writes: readonly Write[]): Operation[] {
  const inserts = writes.filter(({ document }) => document.seen === null)
  const replaced = writes.filter(({ document }) => document.seen !== null && document.content !== null)
  const touched = writes.filter(({ document }) => document.seen !== null && document.content === null)
  return [
    ...(inserts.length === 0
      ? []
      : // in the place of nothing, or of a slot that nobody filled
        [{ upsert: { points: inserts.map(toPoint), update_filter: { must: [IS_SLOT] } } }]),
    ...(replaced.length === 0
      ? []
      : [
          {
            upsert: {
              points: replaced.map(toPoint),
              update_mode: 'update_only' as const,
              // revisions are drawn by chance: no other document has one of these
              update_filter: { must: [anyOf('revision', replaced.map(seenOf))] },
            },
          },
        ]),
    ...touched.map((write) => ({
      set_payload: {
        payload: { ...marksOf(write), ...fieldsOf(write.document) },
        // not as `points`: with them Qdrant ignores the filter
        filter: unchanged([write.document.id], [seenOf(write)]),
      },
    })),
  ]
}

function seenOf({ document }: Write): number {
  return document.seen ?? 0
}

function marksOf({ document, revision }: Write): Pick<Payload, 'revision' | 'previous' | 'stamp'> {
  return { revision, previous: document.seen, stamp: revision }
}

function toPoint(write: Write): Schemas['PointStruct'] {
  const { document } = write
  const content = document.content ?? { contentHash: '', joints: null, chunks: [] }
  const payload: Payload = {
    id: wellFormed(document.id),
    ...marksOf(write),
    ...fieldsOf(document),
    ...contentOf(content),
  }
  return pointOf(payload, content.chunks)
}

/** Those that got through: their revision is stored, or one that took its place. */
async function readBack(
  { call }: Engine,
  place: string,
  writes: readonly Write[],
  signal: AbortSignal,
): Promise<readonly Write[]> {
  const points = await call(
    (api, init) =>
      api.getPoints(
        {
          collection_name: place,
          ids: writes.map(({ document }) => pointId(document.id)),
          with_payload: ['revision', 'previous'],
        },
        init,
      ),
    signal,
  )
  const stored = new Map(points.map((point) => [point.id, payloadOf<'revision' | 'previous'>(point)]))
  return writes.filter(({ document, revision }) => {
    const now = stored.get(pointId(document.id))
    return now?.revision === revision || now?.previous === revision
  })
}

/** Copies of what was written were made of a revision that is gone. */
async function dropCopies(
  { call }: Engine,
  { place }: Generation,
  written: readonly Write[],
  signal: AbortSignal,
): Promise<void> {
  if (written.length === 0) return
  const filter = {
    must: [{ has_id: written.map(({ document }) => pointId(document.id)) }],
    must_not: [
      anyOf(
        'revision',
        written.map(({ revision }) => revision),
      ),
    ],
  }
  await ignoreMissing(
    call(
      (api, init) =>
        api.deletePoints({ collection_name: place, wait: true, ordering: 'strong', filter }, init),
      signal,
    ),
  )
}
