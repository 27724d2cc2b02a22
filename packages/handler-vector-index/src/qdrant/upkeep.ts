import { pause } from '../pause.js'
import type { Problem } from '../store.js'
import { ignoreMissing, isNotFound } from './errors.js'
import { countPlace, type Engine, onCurrent, pointAlias } from './places.js'
import { vectorsOf } from './points.js'
import { findInfo, PROGRAM } from './registry.js'
import type { Entry } from './registry-entry.js'
import { queryPoints } from './search.js'

const DAY_MS = 86_400_000

/** Deletes one Qdrant collection that nobody sees: Qdrant cannot delete a part of it faster. Answers how many documents it held, at least 1. */
export async function purgeWaste(engine: Engine, signal: AbortSignal): Promise<number> {
  const entries = await engine.registry.all(signal)
  for (const entry of entries) {
    const forsaken = await forsake(engine, entry, signal)
    const [place] = forsaken.waste
    if (place === undefined) continue
    const documents = await deletePlace(engine, place, forsaken, signal)
    const rest = forsaken.waste.filter((one) => one !== place)
    // another one may have done it already, and then the entry has changed
    await engine.registry.change(forsaken, { ...forsaken, waste: rest }, signal)
    return Math.max(1, documents)
  }
  return purgeUnknown(engine, entries, signal)
}

/** The entry, its build given up if nobody wrote to it for a day. */
async function forsake({ registry }: Engine, entry: Entry, signal: AbortSignal): Promise<Entry> {
  const { building } = entry
  if (building === null || Date.now() - building.writtenAt < DAY_MS) return entry
  const next = { ...entry, building: null, waste: [...entry.waste, building.place] }
  return (await registry.change(entry, next, signal)) ?? entry
}

async function deletePlace(
  engine: Engine,
  place: string,
  entry: Entry,
  signal: AbortSignal,
): Promise<number> {
  const { call } = engine
  try {
    const { documents } = await countPlace(call, place, signal)
    // who was stopped between the two steps of a promotion left the name with the old one
    if (entry.current !== null) await pointAlias(engine, entry.name, entry.current.place)
    await ignoreMissing(call((api, init) => api.deleteCollection({ collection_name: place }, init), signal))
    return documents
  } catch (error) {
    if (isNotFound(error)) return 0
    throw error
  }
}

/** Qdrant collections that were made and never entered into the registry: their maker died in between. */
async function purgeUnknown(engine: Engine, entries: readonly Entry[], signal: AbortSignal): Promise<number> {
  const { call, prefix, registry } = engine
  const known = new Set(
    entries.flatMap(({ current, building, waste }) => [current?.place, building?.place, ...waste]),
  )
  const { collections } = await call((api, init) => api.getCollections({}, init), signal)
  for (const { name } of collections) {
    if (!name.startsWith(`${prefix}.`) || name === registry.collection || known.has(name)) continue
    const metadata: Readonly<Record<string, unknown>> =
      (await findInfo(call, name, signal))?.config.metadata ?? {}
    const age = Date.now() - Number(metadata['created_at'])
    if (metadata['program'] !== PROGRAM || !(age > DAY_MS)) continue
    await ignoreMissing(call((api, init) => api.deleteCollection({ collection_name: name }, init), signal))
    return 1
  }
  return 0
}

const SLICE_MS = 1_000
const LOOK_EVERY_MS = 100
/** Then Qdrant goes on by itself. */
const LONGEST_WAIT_MS = 300_000

/** Asks Qdrant to rewrite all segments in which anything was deleted, and waits for it, collection by collection. */
export function createOptimize(engine: Engine) {
  let waiting: string[] = []
  let startedAt: number | null = null
  return async (signal: AbortSignal): Promise<{ readonly left: number }> => {
    if (waiting.length === 0) {
      const entries = await engine.registry.all(signal)
      waiting = entries.flatMap(({ current }) => (current === null ? [] : [current.place]))
    }
    const [place] = waiting
    if (place === undefined) return { left: 0 }
    if (startedAt === null) {
      startedAt = performance.now()
      await ignoreMissing(startVacuum(engine, place, signal))
    }
    const done = await waitGreen(engine, place, signal)
    if (done || performance.now() - startedAt > LONGEST_WAIT_MS) {
      waiting.shift()
      startedAt = null
    }
    return { left: waiting.length }
  }
}

function startVacuum({ call }: Engine, place: string, signal: AbortSignal): Promise<unknown> {
  // the smallest values that Qdrant takes
  const optimizers_config = { deleted_threshold: 0.001, vacuum_min_vector_number: 100 }
  return call(
    (api, init) => api.updateCollection({ collection_name: place, optimizers_config }, init),
    signal,
  )
}

async function waitGreen({ call }: Engine, place: string, signal: AbortSignal): Promise<boolean> {
  const until = performance.now() + SLICE_MS
  for (;;) {
    const info = await findInfo(call, place, signal)
    if (info === null || info.status === 'green' || info.status === 'red') return true
    if (performance.now() > until) return false
    await pause(LOOK_EVERY_MS, signal)
  }
}

/** Qdrant keeps no counts of ours, and a document is one point: what is left to ask is how Qdrant itself is. */
export async function inspectCollection(
  engine: Engine,
  name: string,
  signal: AbortSignal,
): Promise<readonly Problem[]> {
  const problems = await onCurrent(
    engine,
    name,
    async ({ place }) => {
      const info = await findInfo(engine.call, place, signal)
      const { status, optimizer_status: optimizer } = info ?? { status: 'red', optimizer_status: 'ok' }
      const detail =
        typeof optimizer === 'object' ? optimizer.error : `Qdrant says that "${place}" is ${status}`
      return status === 'red' || typeof optimizer === 'object'
        ? [{ id: null, code: 'FILE_DAMAGED', detail }]
        : []
    },
    signal,
  )
  return problems ?? []
}

/** null: there is nothing to ask for. */
export async function sampleRecall(
  engine: Engine,
  name: string,
  { vectors, k }: { readonly vectors: number; readonly k: number },
  signal: AbortSignal,
): Promise<number | null> {
  return onCurrent(
    engine,
    name,
    async ({ place }) => {
      let wanted = 0
      let found = 0
      for (const vector of await sampleVectors(engine, place, vectors, signal)) {
        const question = { collection: name, vector, k, filter: null }
        const exact = await queryPoints(engine, place, question, true, signal)
        const indexed = await queryPoints(engine, place, question, false, signal)
        // of equal vectors one stands for the other
        const worst = (exact.at(-1)?.score ?? 0) - 1e-6
        wanted += exact.length
        found += Math.min(exact.length, indexed.filter(({ score }) => score >= worst).length)
      }
      return wanted === 0 ? null : found / wanted
    },
    signal,
  )
}

async function sampleVectors(
  { call }: Engine,
  place: string,
  limit: number,
  signal: AbortSignal,
): Promise<readonly Float32Array[]> {
  const { points } = await call(
    (api, init) =>
      api.queryPoints(
        { collection_name: place, query: { sample: 'random' }, limit, with_vector: true },
        init,
      ),
    signal,
  )
  return points.flatMap((point) => vectorsOf(point).slice(0, 1))
}
