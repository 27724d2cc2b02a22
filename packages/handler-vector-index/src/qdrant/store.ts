import { NonRetryableError, RetryableError } from '@mcp-worker/runtime'
import { orAbort } from '../or-abort.js'
import type { StoreCapabilities, VectorStore } from '../store.js'
import { type Connection, openConnection } from './client.js'
import { QdrantFault } from './errors.js'
import { beginBuild, promoteBuild, writeCopies } from './generations.js'
import { pointId } from './ids.js'
import { type QdrantStoreInput, qdrantStoreOptions, type QdrantStoreOptions } from './options.js'
import type { Engine } from './places.js'
import { describeCollection, listCollections, listDocuments, lookup, readDocuments } from './read.js'
import { createRegistry, prepareRegistry, type Registry } from './registry.js'
import { countTargets, dropCollection, removeDocuments } from './remove.js'
import { searchDocuments } from './search.js'
import { createOptimize, inspectCollection, purgeWaste, sampleRecall } from './upkeep.js'
import { writeBatch } from './write.js'

/**
 * Vectors in Qdrant, shared by any number of hosts. The server is first asked when something is to be done, so that a worker starts while it is
 * down. Throws `ENGINE_NOT_INSTALLED`.
 */
export async function openQdrantStore(given: QdrantStoreInput): Promise<VectorStore> {
  const options = qdrantStoreOptions.parse({ ...given, engine: 'qdrant' })
  const connection = await openConnection(options)
  const { prefix, busyTimeoutMs } = options
  const { call } = connection
  const registry = createRegistry(call, { prefix, busyTimeoutMs })
  const indexed = options.index === 'hnsw'
  const engine: Engine = { call, registry, prefix, indexed }
  const optimize = createOptimize(engine)
  const after = readyOnce(() => prepare(connection, registry))
  return {
    capabilities: capabilitiesOf(options),
    collections: () => after(() => listCollections(engine)),
    describe: (collection) => after(() => describeCollection(engine, collection)),
    lookup: (collection, ids) => after(() => lookup(engine, collection, ids)),
    read: (collection, ids) => after(() => readDocuments(engine, collection, ids)),
    list: (question) => after(() => listDocuments(engine, question)),
    search: (question) => after(() => searchDocuments(engine, question)),

    write: (batch, { signal }) => after(() => writeBatch(engine, batch, signal), signal),
    remove: (target, limit, { signal }) =>
      after(() => removeDocuments(engine, target, limit, signal), signal),
    countTargets: (target) => after(() => countTargets(engine, target)),
    drop: (collection, { signal }) => after(() => dropCollection(engine, collection, signal), signal),
    readMark: () => Promise.resolve(null),
    dropMark: () => Promise.resolve(),

    build: (spec, { signal }) => after(() => beginBuild(engine, spec, signal), signal),
    writeBuild: (batch, { signal }) => after(() => writeCopies(engine, batch, signal), signal),
    promote: (collection, generation, { signal }) =>
      after(() => promoteBuild(engine, collection, generation, signal), signal),

    purge: (_limit, { signal }) => after(() => purgeWaste(engine, signal), signal),
    optimize: ({ signal }) => after(() => optimize(signal), signal),
    size: () => Promise.resolve(null),
    inspect: (collection, { signal }) => after(() => inspectCollection(engine, collection, signal), signal),
    sampleRecall: (collection, sample, { signal }) =>
      indexed ? after(() => sampleRecall(engine, collection, sample, signal), signal) : Promise.resolve(null),
    ping: (signal) => after(() => ping(engine, signal), signal),
    close: () => Promise.resolve(connection.close()),
  }
}

function capabilitiesOf({ engine, index }: QdrantStoreOptions): StoreCapabilities {
  return {
    engine,
    search: index === 'hnsw' ? 'approximate' : 'exact',
    transaction: 'document',
    staleness: 'certain',
    marks: false,
    bareDocuments: true,
    exactVectors: true,
  }
}

/** Before the first call that gets through. */
function readyOnce(first: () => Promise<void>) {
  let preparing: Promise<void> | null = null
  return async <T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T> => {
    signal?.throwIfAborted()
    preparing ??= first().catch((error: unknown) => {
      preparing = null
      throw error
    })
    await orAbort(preparing, signal)
    try {
      return await work()
    } catch (error) {
      if (!(error instanceof QdrantFault)) throw error
      // the registry itself is gone, or what somebody else has just deleted
      preparing = null
      throw new RetryableError(error.message, { code: 'STORE_UNAVAILABLE', cause: error })
    }
  }
}

/**
 * Conditional upserts with `update_mode` came with 1.17, but up to 1.18 Qdrant evaluates them again when it reads its log after a crash, against
 * another state (issue 9575).
 */
const OLDEST = [1, 19] as const

async function prepare({ call, version }: Connection, { collection }: Registry): Promise<void> {
  const said = await version()
  const [major = 0, minor = 0] = said.split('.').map(Number)
  if (major < OLDEST[0] || (major === OLDEST[0] && minor < OLDEST[1])) {
    throw new NonRetryableError(
      `expected Qdrant ${OLDEST.join('.')} or newer, got ${said}: upgrade the server`,
      {
        code: 'STORE_OLDER',
      },
    )
  }
  await prepareRegistry(call, collection)
}

/** Writes a point that says nothing. */
async function ping({ call, registry }: Engine, signal?: AbortSignal): Promise<void> {
  const points = [{ id: pointId('\0ping'), vector: {}, payload: {} }]
  await call(
    (api, init) => api.upsertPoints({ collection_name: registry.collection, wait: true, points }, init),
    signal,
  )
}
