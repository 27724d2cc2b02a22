import { randomUUID } from 'node:crypto'
import { NonRetryableError, RetryableError } from '@mcp-worker/runtime'
import { pause } from '../pause.js'
import type { Call, Schemas } from './client.js'
import { ignoreExisting, isNotFound } from './errors.js'
import { pointId } from './ids.js'
import { type Entry, entryIn, isEntry, type State } from './registry-entry.js'

export interface Registry {
  readonly collection: string
  find(name: string, signal?: AbortSignal): Promise<Entry | null>
  all(signal?: AbortSignal): Promise<readonly Entry[]>
  /** null: somebody else was faster, nothing was changed. `old` null: there was none. */
  change(old: Entry | null, next: State, signal?: AbortSignal): Promise<Entry | null>
  /** Waits until no seal is set. A seal that nobody renews belongs to a process that is gone: it is broken. Rejects with `STORE_BUSY`. */
  waitUnsealed(name: string, signal: AbortSignal): Promise<Entry | null>
}

const FORMAT = 1
/** Stamps that an entry remembers. */
const REMEMBERED = 8
const LOOK_EVERY_MS = 100

export interface RegistryOptions {
  readonly prefix: string
  readonly busyTimeoutMs: number
  /** Who seals renews the seal every few seconds. Default 20 s. */
  readonly sealBreaksAfterMs?: number
}

export function createRegistry(
  call: Call,
  { prefix, busyTimeoutMs, sealBreaksAfterMs = 20_000 }: RegistryOptions,
): Registry {
  // the names of collections begin with a letter
  const collection = `${prefix}._registry`
  const retrieve = async (name: string, signal?: AbortSignal): Promise<Entry | null> => {
    const points = await call(
      (api, init) =>
        api.getPoints({ collection_name: collection, ids: [pointId(name)], with_payload: true }, init),
      signal,
    )
    return points[0] === undefined ? null : entryIn(points[0], collection)
  }
  const registry: Registry = {
    collection,
    find: retrieve,
    all: (signal) => readAll(call, collection, signal),
    change: async (old, next, signal) => {
      const entry = nextEntry(old, next)
      const points = [{ id: pointId(next.name), vector: {}, payload: { ...entry } }]
      await call(
        (api, init) =>
          api.upsertPoints(
            { collection_name: collection, wait: true, ordering: 'strong', points, ...onlyOver(old) },
            init,
          ),
        signal,
      )
      const now = await retrieve(next.name, signal)
      return now?.stamps.includes(entry.stamp) === true ? entry : null
    },
    waitUnsealed: (name, signal) =>
      waitUnsealed(registry, { name, busyTimeoutMs, sealBreaksAfterMs, signal }),
  }
  return registry
}

async function readAll(call: Call, collection: string, signal?: AbortSignal): Promise<readonly Entry[]> {
  const { points } = await call(
    (api, init) => api.scrollPoints({ collection_name: collection, limit: 10_000, with_payload: true }, init),
    signal,
  )
  return points
    .filter(isEntry)
    .map((point) => entryIn(point, collection))
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
}

function nextEntry(
  old: Entry | null,
  { name, lastGeneration, current, building, seal, waste }: State,
): Entry {
  const stamp = randomUUID()
  const stamps = [stamp, ...(old?.stamps ?? [])].slice(0, REMEMBERED)
  return { name, lastGeneration, current, building, seal, waste, stamp, stamps }
}

/** Qdrant leaves the point as it is where somebody else was faster. */
function onlyOver(old: Entry | null) {
  if (old === null) return { update_mode: 'insert_only' as const }
  const update_filter = { must: [{ key: 'stamp', match: { value: old.stamp } }] }
  return { update_mode: 'update_only' as const, update_filter }
}

interface SealWait extends Required<Omit<RegistryOptions, 'prefix'>> {
  readonly name: string
  readonly signal: AbortSignal
}

async function waitUnsealed(
  registry: Registry,
  { name, busyTimeoutMs, sealBreaksAfterMs, signal }: SealWait,
): Promise<Entry | null> {
  const giveUpAt = performance.now() + busyTimeoutMs
  let seen = ''
  let seenSince = performance.now()
  for (;;) {
    const entry = await registry.find(name, signal)
    if (entry === null || entry.seal === null) return entry
    if (entry.stamp !== seen) {
      seen = entry.stamp
      seenSince = performance.now()
    } else if (performance.now() - seenSince > sealBreaksAfterMs) {
      await registry.change(entry, { ...entry, seal: null }, signal)
    }
    if (performance.now() > giveUpAt) {
      throw new RetryableError(`a reindex puts its generation of "${name}" in place`, {
        code: 'STORE_BUSY',
      })
    }
    await pause(LOOK_EVERY_MS, signal)
  }
}

/** Makes the registry where it is not there. Throws `STORE_FOREIGN`, `STORE_NEWER`. */
export async function prepareRegistry(call: Call, collection: string): Promise<void> {
  const info = await findInfo(call, collection)
  if (info === null) {
    await ignoreExisting(
      call((api, init) =>
        api.createCollection(
          { collection_name: collection, vectors: {}, metadata: { program: PROGRAM, format: FORMAT } },
          init,
        ),
      ),
    )
    await call((api, init) =>
      api.createFieldIndex(
        { collection_name: collection, wait: true, field_name: 'stamp', field_schema: 'keyword' },
        init,
      ),
    )
    return
  }
  const metadata: Readonly<Record<string, unknown>> = info.config.metadata ?? {}
  if (metadata['program'] !== PROGRAM) {
    throw new NonRetryableError(
      `the Qdrant collection "${collection}" belongs to another program: set store.prefix to a word of the vector index's own`,
      { code: 'STORE_FOREIGN' },
    )
  }
  if (Number(metadata['format']) > FORMAT) {
    throw new NonRetryableError(
      `the Qdrant collection "${collection}" was written by a newer version (format ${String(metadata['format'])}, this one knows ${FORMAT}): upgrade this worker`,
      { code: 'STORE_NEWER' },
    )
  }
}

export const PROGRAM = '@mcp-worker/handler-vector-index'

export async function findInfo(
  call: Call,
  collection: string,
  signal?: AbortSignal,
): Promise<Schemas['CollectionInfo'] | null> {
  try {
    return await call((api, init) => api.getCollection({ collection_name: collection }, init), signal)
  } catch (error) {
    if (isNotFound(error)) return null
    throw error
  }
}
