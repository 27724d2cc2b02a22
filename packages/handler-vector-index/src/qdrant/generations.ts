import { randomUUID } from 'node:crypto'
import { NonRetryableError } from '@mcp-worker/runtime'
import type { Build, BuildDocument, BuildWrite, GenerationSpec, WriteAnswer } from '../store.js'
import type { Schemas } from './client.js'
import { compareGenerations } from './compare.js'
import { ignoreMissing, isNotFound } from './errors.js'
import { newStamp, pointId } from './ids.js'
import { countPlace, type Engine, makePlace, pointAlias } from './places.js'
import { anyOf, contentOf, IS_SLOT, mustFit, type Payload, payloadOf, pointOf, type Slot } from './points.js'
import { getPoints } from './read.js'
import type { Entry, Generation } from './registry-entry.js'

export async function beginBuild(engine: Engine, spec: GenerationSpec, signal: AbortSignal): Promise<Build> {
  const { registry, call } = engine
  for (;;) {
    const entry = await registry.waitUnsealed(spec.collection, signal)
    if (entry === null || entry.current === null) throw notFound(spec.collection)
    const { building } = entry
    if (building !== null && isOf(building, spec)) {
      const { documents } = await countPlace(call, building.place, signal)
      return { generation: building.number, count: documents }
    }
    const number = entry.lastGeneration + 1
    const made = await makePlace(engine, spec, number, signal)
    const waste = building === null ? entry.waste : [...entry.waste, building.place]
    const next = { ...entry, lastGeneration: number, building: made, waste }
    if ((await registry.change(entry, next, signal)) !== null) return { generation: number, count: 0 }
    await call((api, init) => api.deleteCollection({ collection_name: made.place }, init), signal)
  }
}

function notFound(collection: string): NonRetryableError {
  return new NonRetryableError(`there is no collection "${collection}": index documents into it first`, {
    code: 'COLLECTION_NOT_FOUND',
  })
}

function isOf({ embedder, dim, chunk }: Generation, spec: GenerationSpec): boolean {
  return (
    embedder === spec.embedder && dim === spec.dim && JSON.stringify(chunk) === JSON.stringify(spec.chunk)
  )
}

type CopyAnswer = WriteAnswer & { readonly gone: boolean }

const GONE: CopyAnswer = { stale: new Set(), gone: true }

/**
 * Safe also if it is stopped anywhere, for as long as others need to finish, promote and go on. A copy is written only over the point that was looked
 * at, and what is looked at was there while the generation was surely being built: a copy that another made, or a slot. Whoever wrote or deleted the
 * document since has changed the point, and whatever was made of a later revision than the one read here is younger than the look.
 */
export async function writeCopies(
  engine: Engine,
  batch: BuildWrite,
  signal: AbortSignal,
): Promise<CopyAnswer> {
  const entry = await engine.registry.find(batch.collection, signal)
  const building = entry?.building
  if (!entry?.current || building?.number !== batch.generation) return GONE
  for (const { id, chunks } of batch.documents) mustFit(id, chunks)
  const ids = batch.documents.map(({ id }) => id)
  try {
    const slots = await makeSlots(engine, building.place, ids, signal)
    if (!(await isBuilding(engine, batch, signal))) {
      await deleteSlots(engine, building.place, slots, signal)
      return GONE
    }
    const looked = await getPoints(engine, building.place, ids, ['stamp'], false, signal)
    const originals = await getPoints(engine, entry.current.place, ids, ORIGINAL, false, signal)
    const { copyable, stale } = match(batch.documents, originals)
    await sendCopies(engine, building.place, copyable, looked, signal)
    const now = await engine.registry.waitUnsealed(batch.collection, signal)
    if (now?.building?.place !== building.place) return GONE
    await touch(engine, now, building, signal)
    return { stale, gone: false }
  } catch (error) {
    if (isNotFound(error)) return GONE
    throw error
  }
}

async function isBuilding(
  { registry }: Engine,
  { collection, generation }: BuildWrite,
  signal: AbortSignal,
): Promise<boolean> {
  return (await registry.find(collection, signal))?.building?.number === generation
}

/** Answers their stamps. Where a copy or a slot is there already it stays. */
async function makeSlots(
  { call }: Engine,
  place: string,
  ids: readonly string[],
  signal: AbortSignal,
): Promise<readonly number[]> {
  const slots = ids.map((id) => ({ id, payload: { slot: true, stamp: newStamp() } satisfies Slot }))
  const points = slots.map(({ id, payload }) => ({ id: pointId(id), vector: {}, payload: { ...payload } }))
  await call(
    (api, init) =>
      api.upsertPoints(
        { collection_name: place, wait: true, ordering: 'strong', points, update_mode: 'insert_only' },
        init,
      ),
    signal,
  )
  return slots.map(({ payload }) => payload.stamp)
}

/** Of a generation that is not built any more. What was filled since has another stamp. */
async function deleteSlots(
  { call }: Engine,
  place: string,
  stamps: readonly number[],
  signal: AbortSignal,
): Promise<void> {
  const filter = { must: [IS_SLOT, anyOf('stamp', stamps)] }
  await ignoreMissing(
    call(
      (api, init) =>
        api.deletePoints({ collection_name: place, wait: true, ordering: 'strong', filter }, init),
      signal,
    ),
  )
}

type Original = Pick<
  Payload,
  'id' | 'revision' | 'previous' | 'source_id' | 'version' | 'metadata' | 'facets'
>

const ORIGINAL: readonly (keyof Original)[] = [
  'id',
  'revision',
  'previous',
  'source_id',
  'version',
  'metadata',
  'facets',
]

interface Copyable {
  readonly document: BuildDocument
  readonly original: Original
}

function match(
  documents: readonly BuildDocument[],
  originals: readonly Schemas['Record'][],
): { readonly copyable: readonly Copyable[]; readonly stale: ReadonlySet<string> } {
  const byPoint = new Map(originals.map((point) => [point.id, payloadOf<keyof Original>(point)]))
  const stale = new Set<string>()
  const copyable = documents.flatMap((document) => {
    const original = byPoint.get(pointId(document.id))
    if (original?.revision === document.seen) return [{ document, original }]
    stale.add(document.id)
    return []
  })
  return { copyable, stale }
}

/** Components of vectors in one request. */
const MAX_COMPONENTS = 500_000

async function sendCopies(
  { call }: Engine,
  place: string,
  copyable: readonly Copyable[],
  looked: readonly Schemas['Record'][],
  signal: AbortSignal,
): Promise<void> {
  const stamps = new Map(looked.map((point) => [point.id, payloadOf<'stamp'>(point).stamp]))
  let rest = [...copyable]
  while (rest.length > 0) {
    const part = firstPortion(rest)
    rest = rest.slice(part.length)
    const points = part.map(({ document, original }) =>
      pointOf({ ...original, stamp: newStamp(), ...contentOf(document) }, document.chunks),
    )
    const seen = points.map(({ id }) => stamps.get(id) ?? 0)
    await call(
      (api, init) =>
        api.upsertPoints(
          {
            collection_name: place,
            wait: true,
            ordering: 'strong',
            points,
            update_mode: 'update_only',
            update_filter: { must: [anyOf('stamp', seen)] },
          },
          init,
        ),
      signal,
    )
  }
}

function firstPortion(copyable: readonly Copyable[]): readonly Copyable[] {
  let components = 0
  const end = copyable.findIndex(({ document }, i) => {
    components += document.chunks.reduce((sum, { vector }) => sum + vector.length, 0)
    return i > 0 && components > MAX_COMPONENTS
  })
  return end === -1 ? copyable : copyable.slice(0, end)
}

const TOUCH_AFTER_MS = 3_600_000

/** A build that is not touched for a day is waste. */
async function touch(
  { registry }: Engine,
  entry: Entry,
  building: Generation,
  signal: AbortSignal,
): Promise<void> {
  if (Date.now() - building.writtenAt < TOUCH_AFTER_MS) return
  await registry.change(entry, { ...entry, building: { ...building, writtenAt: Date.now() } }, signal)
}

/**
 * Writers say that they are done after a look at the registry. Under the seal they wait with it, so that all that was acknowledged is compared; when the
 * seal is gone they find another generation, and begin again with that.
 */
export async function promoteBuild(
  engine: Engine,
  name: string,
  generation: number,
  signal: AbortSignal,
): Promise<'promoted' | 'incomplete' | 'gone'> {
  const { registry } = engine
  for (;;) {
    const entry = await registry.waitUnsealed(name, signal)
    if (entry?.current?.number === generation) return settled(engine, name, entry.current)
    if (!entry?.current || entry.building?.number !== generation) return 'gone'
    const pair = { current: entry.current, building: entry.building }
    if (!(await compareGenerations(engine, pair, { signal }))) return 'incomplete'
    const sealed = await registry.change(entry, { ...entry, seal: randomUUID() }, signal)
    if (sealed === null) continue
    const answer = await promoteSealed(engine, sealed, pair, signal)
    if (answer !== null) return answer
  }
}

interface Pair {
  readonly current: Generation
  readonly building: Generation
}

/** null: the seal was broken, or the collection dropped. */
async function promoteSealed(
  engine: Engine,
  sealed: Entry,
  pair: Pair,
  signal: AbortSignal,
): Promise<'promoted' | 'incomplete' | null> {
  const { registry } = engine
  let entry: Entry = sealed
  const renew = async (): Promise<boolean> => {
    const next = await registry.change(entry, { ...entry, seal: randomUUID() }, signal)
    if (next !== null) entry = next
    return next !== null
  }
  try {
    if (!(await compareGenerations(engine, pair, { signal, renew, tidy: true }))) {
      await registry.change(entry, { ...entry, seal: null }, signal)
      return 'incomplete'
    }
    const waste = [...entry.waste, pair.current.place]
    const next = { ...entry, current: pair.building, building: null, seal: null, waste }
    if ((await registry.change(entry, next, signal)) === null) return null
  } catch (error) {
    // nobody shall wait for us; if this fails too, the seal breaks by itself
    await registry.change(entry, { ...entry, seal: null }).catch(() => {})
    throw error
  }
  return settled(engine, sealed.name, pair.building)
}

async function settled(engine: Engine, name: string, { place }: Generation): Promise<'promoted'> {
  await pointAlias(engine, name, place)
  return 'promoted'
}
