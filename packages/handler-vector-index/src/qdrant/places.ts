import { randomBytes } from 'node:crypto'
import { NonRetryableError } from '@mcp-worker/runtime'
import type { ChunkOptions } from '../options.js'
import type { Call } from './client.js'
import { ignoreExisting, isNotFound } from './errors.js'
import { INDEXED, VECTOR } from './points.js'
import { findInfo, PROGRAM, type Registry } from './registry.js'
import type { Entry, Generation } from './registry-entry.js'

/** What the parts of the engine share. */
export interface Engine {
  readonly call: Call
  readonly registry: Registry
  readonly prefix: string
  /** New generations get Qdrant's index. */
  readonly indexed: boolean
}

export interface PlaceSpec {
  readonly collection: string
  readonly embedder: string
  readonly dim: number
  readonly chunk: ChunkOptions | null
}

/** Makes the Qdrant collection of a new generation. Nobody knows of it until the registry does; forgotten ones are purged. */
export async function makePlace(
  { call, prefix, indexed }: Engine,
  spec: PlaceSpec,
  number: number,
  signal: AbortSignal,
): Promise<Generation> {
  const place = `${prefix}.${spec.collection}.${number}-${randomBytes(6).toString('hex')}`
  const writtenAt = Date.now()
  await ignoreExisting(
    call(
      (api, init) =>
        api.createCollection(
          {
            collection_name: place,
            vectors: {
              // vectors have unit length: the dot product is the cosine, and they come back as they were written
              [VECTOR]: { size: spec.dim, distance: 'Dot', multivector_config: { comparator: 'max_sim' } },
            },
            ...(!indexed && { hnsw_config: { m: 0 } }),
            metadata: {
              program: PROGRAM,
              collection: spec.collection,
              generation: number,
              created_at: writtenAt,
            },
          },
          init,
        ),
      signal,
    ),
  )
  await indexFields(call, place, signal)
  return { number, place, dim: spec.dim, embedder: spec.embedder, chunk: spec.chunk, writtenAt }
}

async function indexFields(call: Call, place: string, signal: AbortSignal): Promise<void> {
  for (const [field, schema] of Object.entries(INDEXED)) {
    await call(
      (api, init) =>
        api.createFieldIndex(
          { collection_name: place, wait: true, field_name: field, field_schema: schema },
          init,
        ),
      signal,
    )
  }
}

/** Works on the current generation; null: there is no such collection. One that was purged meanwhile has been replaced: then once more. */
export async function onCurrent<T>(
  { call, registry }: Engine,
  name: string,
  work: (current: Generation, entry: Entry) => Promise<T>,
  signal?: AbortSignal,
): Promise<T | null> {
  for (let before: string | null = null; ;) {
    const entry = await registry.find(name, signal)
    if (entry === null || entry.current === null) return null
    const { place } = entry.current
    try {
      return await work(entry.current, entry)
    } catch (error) {
      if (!isNotFound(error)) throw error
      if (place === before && (await findInfo(call, place, signal)) === null) throw lost(name, place, error)
      before = place
    }
  }
}

function lost(name: string, place: string, cause: unknown): NonRetryableError {
  return new NonRetryableError(
    `the Qdrant collection "${place}", which holds "${name}", is gone: restore it, or drop "${name}" and index again`,
    { code: 'STORE_CORRUPT', cause },
  )
}

/** The name under which other programs find the current generation. The registry is the truth; this follows it. */
export async function pointAlias({ call, prefix }: Engine, name: string, place: string): Promise<void> {
  const alias = `${prefix}.${name}`
  const found = await call((api, init) => api.getCollectionsAliases({}, init))
  const now = found.aliases.find(({ alias_name }) => alias_name === alias)?.collection_name
  if (now === place) return
  const remove = now === undefined ? [] : [{ delete_alias: { alias_name: alias } }]
  const add = { create_alias: { alias_name: alias, collection_name: place } }
  // one request: the name is never without a collection
  await call((api, init) => api.updateAliases({ actions: [...remove, add] }, init))
}

/** Documents and chunks, counted by Qdrant. */
export async function countPlace(
  call: Call,
  place: string,
  signal?: AbortSignal,
): Promise<{ readonly documents: number; readonly chunks: number }> {
  const { hits } = await call(
    (api, init) =>
      api.facet({ collection_name: place, key: 'chunk_count', exact: true, limit: 100_000 }, init),
    signal,
  )
  let documents = 0
  let chunks = 0
  for (const { value, count } of hits) {
    documents += count
    chunks += Number(value) * count
  }
  return { documents, chunks }
}
