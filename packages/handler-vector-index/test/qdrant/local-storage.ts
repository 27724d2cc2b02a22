import type { Schemas } from '@qdrant/js-client-rest'
import { setImmediate } from 'node:timers/promises'
import { matches, mustKnow } from './local-filter.js'
import { type Point, refuse } from './local-point.js'

type VectorParams = Schemas['VectorParams']

export interface LocalCollection {
  readonly config: Schemas['CreateCollection']
  readonly points: ReadonlyMap<string, Point>
  readonly indexes: Map<string, string>
  /** Updates run one after the other, as in the real server's update queue; between two points readers see what is done so far. */
  update(operations: readonly Schemas['UpdateOperation'][], onPoint: () => void): Promise<void>
}

const MAX_MULTIVECTOR = 1024 * 1024

export function createLocalCollection(config: Schemas['CreateCollection']): LocalCollection {
  const points = new Map<string, Point>()
  const vectors = (config.vectors ?? {}) as Readonly<Record<string, VectorParams>>
  let last: Promise<void> = Promise.resolve()

  async function apply(operation: Schemas['UpdateOperation'], onPoint: () => void): Promise<void> {
    if ('upsert' in operation) return upsert(operation.upsert as Schemas['PointsList'], onPoint)
    if ('delete' in operation) return remove(operation.delete, onPoint)
    if ('set_payload' in operation) return setPayload(operation.set_payload, onPoint)
    throw refuse(400, `Format error in JSON body: this server does not know ${Object.keys(operation).join()}`)
  }

  /** Which points meet the condition is decided when the operation begins, as the real server does before it writes its log. */
  async function upsert(list: Schemas['PointsList'], onPoint: () => void): Promise<void> {
    mustKnow(list, ['points', 'update_mode', 'update_filter'])
    const parsed = list.points.map((point) => parsePoint(point, vectors))
    const filter = list.update_filter as Schemas['Filter'] | undefined
    const chosen = parsed.filter(({ id }) => {
      const stored = points.get(id)
      if (stored === undefined) return list.update_mode !== 'update_only'
      return list.update_mode !== 'insert_only' && matches(filter, stored)
    })
    for (const point of chosen) {
      onPoint()
      points.set(point.id, point)
      await setImmediate()
    }
  }

  async function remove(selector: Schemas['PointsSelector'], onPoint: () => void): Promise<void> {
    for (const id of select(selector)) {
      onPoint()
      points.delete(id)
      await setImmediate()
    }
  }

  async function setPayload(set: Schemas['SetPayload'], onPoint: () => void): Promise<void> {
    mustKnow(set, ['payload', 'points', 'filter'])
    for (const id of select(set)) {
      onPoint()
      const point = points.get(id)
      if (point !== undefined) points.set(id, { ...point, payload: { ...point.payload, ...set.payload } })
      await setImmediate()
    }
  }

  /** An explicit list of points takes precedence over the filter. */
  function select(selector: object): readonly string[] {
    if ('points' in selector && Array.isArray(selector.points)) return selector.points as string[]
    const filter = 'filter' in selector ? (selector.filter as Schemas['Filter']) : undefined
    return [...points.values()].filter((point) => matches(filter, point)).map(({ id }) => id)
  }

  return {
    config,
    points,
    indexes: new Map(),
    update: (operations, onPoint) => {
      const work = async (): Promise<void> => {
        for (const operation of operations) await apply(operation, onPoint)
      }
      const done = last.then(work)
      last = done.catch(() => {})
      return done
    },
  }
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

function parsePoint(
  { id, vector, payload }: Schemas['PointStruct'],
  params: Readonly<Record<string, VectorParams>>,
): Point {
  if (typeof id !== 'string' || !UUID.test(id)) {
    throw refuse(
      400,
      `Format error in JSON body: value ${id} is not a valid point ID, valid values are either an unsigned integer or a UUID`,
    )
  }
  const rows = Object.entries(vector as Readonly<Record<string, readonly (readonly number[])[]>>)
  const vectors = rows.map(([name, given]) => {
    const own = params[name]
    if (own === undefined) throw refuse(400, `Wrong input: Not existing vector name error: ${name}`)
    return [name, parseRows(given, own)] as const
  })
  return { id, vectors: Object.fromEntries(vectors), payload: payload ?? {} }
}

/** `Dot` keeps vectors as they are, as float32. */
function parseRows(rows: readonly (readonly number[])[], { size }: VectorParams): readonly Float32Array[] {
  if (rows.length === 0) throw refuse(422, 'Validation error in JSON body: [multi vector must not be empty]')
  const total = rows.reduce((sum, row) => sum + row.length, 0)
  if (total >= MAX_MULTIVECTOR) {
    throw refuse(
      422,
      `Validation error in JSON body: [Total size of all vectors (${total}) must be less than ${MAX_MULTIVECTOR}]`,
    )
  }
  for (const row of rows) {
    if (row.length !== size) {
      throw refuse(400, `Wrong input: Vector dimension error: expected dim: ${size}, got ${row.length}`)
    }
  }
  return rows.map((row) => Float32Array.from(row))
}

/** Every point is compared but one in `overlooks`: an index that forgets. */
export function nearest(
  { points }: LocalCollection,
  { query, using, filter, limit = 10 }: Schemas['QueryRequest'],
  { size, overlooks }: { readonly size: number; readonly overlooks: number },
): readonly { readonly point: Point; readonly score: number }[] {
  const [question] = query as unknown as readonly (readonly number[])[]
  if (question?.length !== size) {
    throw refuse(400, `Wrong input: Vector dimension error: expected dim: ${size}, got ${question?.length}`)
  }
  const scored = [...points.values()].flatMap((point, i) => {
    if (i % overlooks === overlooks - 1) return []
    const rows = point.vectors[using ?? ''] ?? []
    if (rows.length === 0 || !matches(filter, point)) return []
    return [{ point, score: Math.max(...rows.map((row) => dot(row, question))) }]
  })
  return scored.toSorted((a, b) => b.score - a.score).slice(0, limit ?? 10)
}

function dot(row: Float32Array, question: readonly number[]): number {
  return row.reduce((sum, value, i) => sum + value * Math.fround(question[i] ?? 0), 0)
}

export function toRecord(
  point: Point,
  {
    with_payload: payload,
    with_vector: vector,
  }: { readonly with_payload?: unknown; readonly with_vector?: unknown },
) {
  const keys = Array.isArray(payload) ? (payload as string[]) : null
  const shown =
    keys === null
      ? point.payload
      : Object.fromEntries(keys.flatMap((key) => (key in point.payload ? [[key, point.payload[key]]] : [])))
  return {
    id: point.id,
    ...(payload !== undefined && payload !== false && { payload: shown }),
    ...(vector === true && {
      vector: Object.fromEntries(
        Object.entries(point.vectors).map(([name, rows]) => [name, rows.map(shortest)]),
      ),
    }),
  }
}

/** The shortest decimals that give the float32 back, as the real server prints them. */
function shortest(row: Float32Array): number[] {
  return Array.from(row, (value) => {
    for (let digits = 1; digits < 9; digits++) {
      const short = Number(value.toPrecision(digits))
      if (Math.fround(short) === value) return short
    }
    return Number(value.toPrecision(9))
  })
}
