import type { Schemas } from './client.js'
import type { Engine } from './places.js'
import { payloadOf } from './points.js'
import type { Generation } from './registry-entry.js'

interface Comparison {
  readonly signal: AbortSignal
  /** Called every few seconds; false: the seal is lost. */
  readonly renew?: () => Promise<boolean>
  /** Deletes slots, and copies of documents that are gone. */
  readonly tidy?: boolean
}

const PAGE = 5_000
const RENEW_EVERY_MS = 5_000

/** Whether the new generation has a copy of each document's present revision. Both are read once, side by side in the order of their points. */
export async function compareGenerations(
  engine: Engine,
  { current, building }: { readonly current: Generation; readonly building: Generation },
  { signal, renew, tidy = false }: Comparison,
): Promise<boolean> {
  const copies = revisionsOf(engine, building.place, signal)
  let copy = await copies.next()
  let renewedAt = performance.now()
  const orphans: Schemas['ExtendedPointId'][] = []
  for await (const original of revisionsOf(engine, current.place, signal)) {
    if (original.revision === null) continue
    while (copy.done !== true && copy.value.id < original.id) {
      orphans.push(copy.value.id)
      copy = await copies.next()
    }
    if (copy.done === true || copy.value.id !== original.id || copy.value.revision !== original.revision)
      return false
    copy = await copies.next()
    if (renew !== undefined && performance.now() - renewedAt > RENEW_EVERY_MS) {
      if (!(await renew())) return false
      renewedAt = performance.now()
    }
  }
  for (; copy.done !== true; copy = await copies.next()) orphans.push(copy.value.id)
  if (tidy) await deletePoints(engine, building.place, orphans, signal)
  return true
}

interface Revision {
  readonly id: Schemas['ExtendedPointId']
  /** null: a slot. */
  readonly revision: number | null
}

async function* revisionsOf({ call }: Engine, place: string, signal: AbortSignal): AsyncGenerator<Revision> {
  let offset: Schemas['ExtendedPointId'] | null = null
  do {
    const page: Schemas['ScrollResult'] = await call(
      (api, init) =>
        api.scrollPoints({ collection_name: place, limit: PAGE, offset, with_payload: ['revision'] }, init),
      signal,
    )
    for (const point of page.points)
      yield { id: point.id, revision: payloadOf<'revision'>(point).revision ?? null }
    offset = typeof page.next_page_offset === 'string' ? page.next_page_offset : null
  } while (offset !== null)
}

async function deletePoints(
  { call }: Engine,
  place: string,
  ids: readonly Schemas['ExtendedPointId'][],
  signal: AbortSignal,
): Promise<void> {
  for (let i = 0; i < ids.length; i += PAGE) {
    const points = ids.slice(i, i + PAGE)
    await call(
      (api, init) =>
        api.deletePoints({ collection_name: place, wait: true, ordering: 'strong', points }, init),
      signal,
    )
  }
}
