import type {
  CollectionInfo,
  DocumentContent,
  DocumentPage,
  ListedDocument,
  ListQuestion,
  StoredDocument,
} from '../store.js'
import { wellFormed } from '../well-formed.js'
import type { Schemas } from './client.js'
import { pointId } from './ids.js'
import { countPlace, type Engine, onCurrent } from './places.js'
import { anyOf, IS_SLOT, type Payload, payloadOf, toContent, toStored } from './points.js'
import type { Generation } from './registry-entry.js'

export async function listCollections(engine: Engine): Promise<readonly CollectionInfo[]> {
  const entries = await engine.registry.all()
  const infos = await Promise.all(
    entries.filter(({ current }) => current !== null).map(({ name }) => describeCollection(engine, name)),
  )
  return infos.filter((info) => info !== null)
}

export async function describeCollection(engine: Engine, name: string): Promise<CollectionInfo | null> {
  return onCurrent(engine, name, async ({ place, number, dim, embedder, chunk }) => {
    const { documents, chunks } = await countPlace(engine.call, place)
    return { name, dim, embedder, chunk, generation: number, count: documents, chunks }
  })
}

const STORED: readonly (keyof Payload)[] = ['revision', 'source_id', 'version', 'content_hash', 'metadata']

/** By the ids that were asked for. */
export async function lookup(
  engine: Engine,
  name: string,
  ids: readonly string[],
): Promise<ReadonlyMap<string, StoredDocument>> {
  const found = await onCurrent(engine, name, ({ place }) => getPoints(engine, place, ids, STORED, false))
  return byAskedId(ids, found ?? [], (point) => toStored(payloadOf<keyof Payload>(point)))
}

/** With vectors, that one answer holds. */
const READ_AT_ONCE = 100

export async function readDocuments(
  engine: Engine,
  name: string,
  ids: readonly string[],
): Promise<ReadonlyMap<string, DocumentContent>> {
  const found = await onCurrent(engine, name, async ({ place }) => {
    const points: Schemas['Record'][] = []
    for (let i = 0; i < ids.length; i += READ_AT_ONCE) {
      points.push(...(await getPoints(engine, place, ids.slice(i, i + READ_AT_ONCE), true, true)))
    }
    return points
  })
  return byAskedId(ids, found ?? [], toContent)
}

export async function getPoints(
  { call }: Engine,
  place: string,
  ids: readonly string[],
  payload: readonly (keyof Payload)[] | true,
  vectors: boolean,
  signal?: AbortSignal,
): Promise<readonly Schemas['Record'][]> {
  if (ids.length === 0) return []
  return call(
    (api, init) =>
      api.getPoints(
        {
          collection_name: place,
          ids: ids.map(pointId),
          with_payload: payload === true ? true : [...payload],
          with_vector: vectors,
        },
        init,
      ),
    signal,
  )
}

function byAskedId<T>(
  ids: readonly string[],
  points: readonly Schemas['Record'][],
  read: (point: Schemas['Record']) => T,
): ReadonlyMap<string, T> {
  const asked = new Map<Schemas['ExtendedPointId'], string>(ids.map((id) => [pointId(id), id]))
  return new Map(
    points.flatMap((point): (readonly [string, T])[] => {
      const id = asked.get(point.id)
      return id === undefined || payloadOf<'revision'>(point).revision === undefined
        ? []
        : [[id, read(point)]]
    }),
  )
}

const LISTED: readonly (keyof Payload)[] = ['id', 'source_id', 'revision', 'content_hash', 'chunk_count']

/** Pages follow the ids of points, which a document keeps. A page may be shorter than the limit. */
export async function listDocuments(engine: Engine, question: ListQuestion): Promise<DocumentPage> {
  const page = await onCurrent(engine, question.collection, async ({ place }, { building }) => {
    const { points, next_page_offset } = await scroll(engine, place, question)
    const documents = points.map(toListed)
    const missing =
      question.missingFrom === undefined || building?.number !== question.missingFrom
        ? documents
        : await withoutCopy(engine, building, documents)
    return { documents: missing, next: typeof next_page_offset === 'string' ? next_page_offset : null }
  })
  return page ?? { documents: [], next: null }
}

function scroll({ call }: Engine, place: string, { after, limit, sourceIds }: ListQuestion) {
  const must = sourceIds === undefined ? [] : [anyOf('source_id', sourceIds.map(wellFormed))]
  const filter = { must, must_not: [IS_SLOT] }
  return call((api, init) =>
    api.scrollPoints(
      { collection_name: place, limit, offset: after, with_payload: [...LISTED], filter },
      init,
    ),
  )
}

function toListed(point: Schemas['Record']): ListedDocument {
  const payload = payloadOf<keyof Payload>(point)
  const { id, source_id: sourceId, revision, content_hash: contentHash, chunk_count: chunks } = payload
  return { id, sourceId, revision, contentHash, chunks }
}

async function withoutCopy(
  engine: Engine,
  { place }: Generation,
  documents: readonly ListedDocument[],
): Promise<readonly ListedDocument[]> {
  const copies = await getPoints(
    engine,
    place,
    documents.map(({ id }) => id),
    ['revision'],
    false,
  )
  const revisions = new Map(copies.map((copy) => [copy.id, payloadOf<'revision'>(copy).revision]))
  return documents.filter(({ id, revision }) => revisions.get(pointId(id)) !== revision)
}
