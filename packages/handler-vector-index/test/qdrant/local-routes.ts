import type { Schemas } from '@qdrant/js-client-rest'
import { matches } from './local-filter.js'
import { createLocalCollection, type LocalCollection, nearest, toRecord } from './local-storage.js'
import { type Point, refuse } from './local-point.js'

interface Request {
  readonly method: string
  /** Decoded parts of the path. */
  readonly path: readonly string[]
  readonly body: unknown
  /** false: an update is acknowledged before it is done. */
  readonly wait: boolean
  /** Called before each point that is changed; may throw. */
  readonly onPoint: () => void
}

export interface LocalQdrant {
  /** The `result` of an answer. Throws a `Refusal`. */
  answer(request: Request): unknown
  /** Its points as they are stored, by its own name or an alias. */
  collection(name: string): LocalCollection | undefined
  readonly names: () => readonly string[]
  /** As after its data folder was emptied. */
  clear(): void
}

/** The part of Qdrant's REST API (https://api.qdrant.tech, 1.19) that the engine uses, in memory. */
export function createLocalQdrant({
  version,
  overlooks,
}: {
  readonly version: string
  readonly overlooks: number
}): LocalQdrant {
  const collections = new Map<string, LocalCollection>()
  const aliases = new Map<string, string>()

  const collection = (name: string) => collections.get(aliases.get(name) ?? name)
  function must(name = ''): LocalCollection {
    const found = collection(name)
    if (found === undefined) throw refuse(404, `Not found: Collection \`${name}\` doesn't exist!`)
    return found
  }

  function create(name: string, config: Schemas['CreateCollection']): true {
    if (collections.has(name)) throw refuse(409, `Wrong input: Collection \`${name}\` already exists!`)
    if (aliases.has(name)) {
      throw refuse(
        400,
        `Wrong input: Can't create collection with name ${name}. Alias with the same name already exists`,
      )
    }
    collections.set(name, createLocalCollection(config))
    return true
  }

  function drop(name: string): boolean {
    for (const [alias, target] of aliases) if (target === name) aliases.delete(alias)
    return collections.delete(name)
  }

  /** All of one request at once. */
  function changeAliases(actions: readonly Schemas['AliasOperations'][]): true {
    const next = new Map(aliases)
    for (const action of actions) {
      if ('delete_alias' in action) {
        const { alias_name: name } = action.delete_alias
        if (!next.delete(name)) throw refuse(404, `Not found: Alias ${name} does not exists!`)
      } else if ('create_alias' in action) {
        const { alias_name: name, collection_name: target } = action.create_alias
        if (!collections.has(target)) throw refuse(404, `Not found: Collection \`${target}\` doesn't exist!`)
        next.set(name, target)
      }
    }
    aliases.clear()
    for (const [alias, target] of next) aliases.set(alias, target)
    return true
  }

  function answerAt(name: string, rest: string, { body, onPoint, wait }: Request): unknown {
    const how = { onPoint, wait }
    const place = must(name)
    switch (rest) {
      case 'GET':
        return infoOf(place)
      case 'PATCH':
        return true
      case 'PUT index': {
        const { field_name: field, field_schema: schema } = body as Schemas['CreateFieldIndex']
        place.indexes.set(field, JSON.stringify(schema))
        return done
      }
      case 'PUT points':
        return update(place, [{ upsert: body as Schemas['PointsList'] }], how)
      case 'POST points/batch':
        return update(place, (body as Schemas['UpdateOperations']).operations, how, true)
      case 'POST points/delete':
        return update(place, [{ delete: body as Schemas['PointsSelector'] }], how)
      case 'POST points': {
        const question = body as Schemas['PointRequest']
        return question.ids.flatMap((id) => {
          const point = place.points.get(String(id))
          return point === undefined ? [] : [toRecord(point, { with_payload: true, ...question })]
        })
      }
      case 'POST points/scroll':
        return scroll(place, body as Schemas['ScrollRequest'])
      case 'POST points/count':
        return { count: select(place, (body as Schemas['CountRequest']).filter).length }
      case 'POST points/query':
        return query(place, body as Schemas['QueryRequest'], overlooks)
      case 'POST facet':
        return facet(place, body as Schemas['FacetRequest'])
      default:
        throw refuse(404, `this server does not know ${rest}`)
    }
  }

  return {
    collection,
    names: () => [...collections.keys()],
    clear: () => {
      collections.clear()
      aliases.clear()
    },
    answer: (request) => {
      const { method, path, body } = request
      const [first, name, ...rest] = path
      const where = `${method} ${path.join('/')}`
      if (where === 'GET ') return { title: 'qdrant - vector search engine', version }
      if (where === 'GET aliases') {
        return {
          aliases: [...aliases].map(([alias_name, collection_name]) => ({ alias_name, collection_name })),
        }
      }
      if (where === 'GET collections')
        return { collections: [...collections.keys()].map((one) => ({ name: one })) }
      if (where === 'POST collections/aliases')
        return changeAliases((body as Schemas['ChangeAliasesOperation']).actions)
      if (first !== 'collections' || name === undefined)
        throw refuse(404, `this server does not know ${where}`)
      if (rest.length === 0 && method === 'PUT') return create(name, body as Schemas['CreateCollection'])
      if (rest.length === 0 && method === 'DELETE') return drop(name)
      return answerAt(name, [method, rest.join('/')].join(' ').trim(), request)
    },
  }
}

const done = { operation_id: 0, status: 'completed' }

async function update(
  place: LocalCollection,
  operations: readonly Schemas['UpdateOperation'][],
  { onPoint, wait }: Pick<Request, 'onPoint' | 'wait'>,
  many = false,
): Promise<unknown> {
  const work = place.update(operations, onPoint)
  if (wait) await work
  const answer = wait ? done : { operation_id: 0, status: 'acknowledged' }
  return many ? operations.map(() => answer) : answer
}

function infoOf({ config, points, indexes }: LocalCollection) {
  return {
    status: 'green',
    optimizer_status: 'ok',
    points_count: points.size,
    config: { params: { vectors: config.vectors }, metadata: config.metadata },
    payload_schema: Object.fromEntries([...indexes].map(([key, data_type]) => [key, { data_type }])),
  }
}

function select(place: LocalCollection, filter: unknown): readonly Point[] {
  return [...place.points.values()].filter((point) => matches(filter as Schemas['Filter'] | undefined, point))
}

/** In the order of ids. */
function scroll(place: LocalCollection, question: Schemas['ScrollRequest']) {
  const { limit = 10, offset, filter } = question
  const all = select(place, filter).toSorted((a, b) => (a.id < b.id ? -1 : 1))
  const from = all.filter(({ id }) => offset === null || offset === undefined || id >= (offset as string))
  const page = from.slice(0, limit ?? 10)
  return {
    points: page.map((point) => toRecord(point, { with_payload: true, ...question })),
    next_page_offset: from[page.length]?.id ?? null,
  }
}

function query(place: LocalCollection, question: Schemas['QueryRequest'], overlooks: number) {
  const vectors = (place.config.vectors ?? {}) as Readonly<Record<string, { readonly size: number }>>
  const sample = question.query as { readonly sample?: string } | null
  if (sample?.sample === 'random') {
    const some = [...place.points.values()].toSorted(() => Math.random() - 0.5).slice(0, question.limit ?? 10)
    return { points: some.map((point) => ({ ...toRecord(point, question), version: 0, score: 0 })) }
  }
  const found = nearest(place, question, {
    size: vectors[question.using ?? '']?.size ?? -1,
    overlooks: question.params?.['exact'] === true ? Infinity : overlooks,
  })
  return { points: found.map(({ point, score }) => ({ ...toRecord(point, question), version: 0, score })) }
}

/** Qdrant counts only by fields that have an index. */
function facet(place: LocalCollection, { key, limit }: Schemas['FacetRequest']) {
  if (!place.indexes.has(key)) {
    throw refuse(
      400,
      `Bad request: Index required but not found for "${key}" of one of the following types: [keyword, integer, uuid, bool]. Help: Create an index for this key or use a different filter.`,
    )
  }
  const counts = new Map<unknown, number>()
  for (const { payload } of place.points.values()) {
    const value = payload[key]
    if (value !== undefined && value !== null) counts.set(value, (counts.get(value) ?? 0) + 1)
  }
  const hits = [...counts].map(([value, count]) => ({ value, count })).toSorted((a, b) => b.count - a.count)
  return { hits: hits.slice(0, limit ?? 10) }
}
