import type { RemoveAnswer, RemoveTarget } from '../store.js'
import { ignoreMissing, isNotFound } from './errors.js'
import { pointId } from './ids.js'
import { countPlace, type Engine, onCurrent } from './places.js'
import { type Payload, payloadOf, targetFilter, unchanged } from './points.js'
import { getPoints } from './read.js'
import type { Generation } from './registry-entry.js'

/**
 * Deletes what was found, if it still has the revision with which it was found. Where the generation is replaced meanwhile the new one is
 * searched: what was deleted of the old one may have been copied before.
 */
export async function removeDocuments(
  engine: Engine,
  target: RemoveTarget,
  limit: number,
  signal: AbortSignal,
): Promise<RemoveAnswer> {
  const total = { documents: 0, chunks: 0 }
  while (total.documents < limit) {
    const removed = await onCurrent(
      engine,
      target.collection,
      async (current) => {
        const found = await findTargets(engine, current, target, limit - total.documents, signal)
        const gone = await deleteFound(engine, current, found, signal)
        const now = await engine.registry.waitUnsealed(target.collection, signal)
        if (now?.current?.place !== current.place) return { documents: 0, chunks: 0, more: true }
        if (now.building !== null) await dropCopiesOf(engine, now.building, gone, signal)
        const chunks = gone.reduce((sum, { chunk_count }) => sum + chunk_count, 0)
        return { documents: gone.length, chunks, more: found.length > 0 }
      },
      signal,
    )
    if (removed === null) break
    total.documents += removed.documents
    total.chunks += removed.chunks
    if (!removed.more) break
  }
  return total
}

type Found = Pick<Payload, 'id' | 'revision' | 'chunk_count'>

async function findTargets(
  { call }: Engine,
  { place }: Generation,
  { which }: RemoveTarget,
  limit: number,
  signal: AbortSignal,
): Promise<readonly Found[]> {
  const { points } = await call(
    (api, init) =>
      api.scrollPoints(
        {
          collection_name: place,
          limit,
          filter: targetFilter(which),
          with_payload: ['id', 'revision', 'chunk_count'],
        },
        init,
      ),
    signal,
  )
  return points.map((point) => payloadOf<keyof Found>(point))
}

/** Those that are gone. */
async function deleteFound(
  engine: Engine,
  { place }: Generation,
  found: readonly Found[],
  signal: AbortSignal,
): Promise<readonly Found[]> {
  if (found.length === 0) return []
  const ids = found.map(({ id }) => id)
  const filter = unchanged(
    ids,
    found.map(({ revision }) => revision),
  )
  await engine.call(
    (api, init) => api.deletePoints({ collection_name: place, wait: true, ordering: 'strong', filter }, init),
    signal,
  )
  const left = new Set((await getPoints(engine, place, ids, ['id'], false, signal)).map(({ id }) => id))
  return found.filter(({ id }) => !left.has(pointId(id)))
}

async function dropCopiesOf(
  { call }: Engine,
  { place }: Generation,
  gone: readonly Found[],
  signal: AbortSignal,
): Promise<void> {
  if (gone.length === 0) return
  const filter = unchanged(
    gone.map(({ id }) => id),
    gone.map(({ revision }) => revision),
  )
  await ignoreMissing(
    call(
      (api, init) =>
        api.deletePoints({ collection_name: place, wait: true, ordering: 'strong', filter }, init),
      signal,
    ),
  )
}

export async function countTargets(engine: Engine, { collection, which }: RemoveTarget): Promise<number> {
  const counted = await onCurrent(engine, collection, async ({ place }) => {
    const { count } = await engine.call((api, init) =>
      api.countPoints({ collection_name: place, exact: true, filter: targetFilter(which) }, init),
    )
    return count
  })
  return counted ?? 0
}

/** Gone for everybody with the change of the registry; Qdrant's own name for it goes after it. */
export async function dropCollection(
  engine: Engine,
  name: string,
  signal: AbortSignal,
): Promise<RemoveAnswer> {
  const { registry, call, prefix } = engine
  for (;;) {
    const entry = await registry.find(name, signal)
    if (entry === null || entry.current === null) return { documents: 0, chunks: 0 }
    const { place } = entry.current
    const held = await countHeld(engine, place, signal)
    const waste = [...entry.waste, place, ...(entry.building === null ? [] : [entry.building.place])]
    const next = { ...entry, current: null, building: null, seal: null, waste }
    if ((await registry.change(entry, next, signal)) === null) continue
    await ignoreMissing(
      call((api, init) =>
        api.updateAliases({ actions: [{ delete_alias: { alias_name: `${prefix}.${name}` } }] }, init),
      ),
    )
    return held
  }
}

/** Zeros where it is gone: then dropping is what mends it. */
async function countHeld({ call }: Engine, place: string, signal: AbortSignal): Promise<RemoveAnswer> {
  try {
    return await countPlace(call, place, signal)
  } catch (error) {
    if (isNotFound(error)) return { documents: 0, chunks: 0 }
    throw error
  }
}
