import { STATUS_CODES } from 'node:http'
import type { QueryInfo, TypeInfo, Worker } from '@mcp-worker/runtime'
import { z } from 'zod'
import { problemSchema } from './problem.js'
import { type Route, route } from './route.js'

type Json = Record<string, unknown>

const COMPONENTS = '#/components/schemas/'
/** Problems that any route may answer. */
const COMMON_PROBLEMS: readonly number[] = [400, 401, 403, 503]

/** `GET /openapi.json`, about all routes including itself. */
export function openApiRoute(worker: Worker, version: string, others: readonly Route[]): Route {
  const own: Route = route({
    method: 'GET',
    path: '/openapi.json',
    operationId: 'openApi',
    summary: 'This document',
    scope: 'any token',
    answers: { 200: { description: 'OpenAPI 3.1', schema: z.looseObject({ openapi: z.string() }) } },
    handle: async () => {
      const document = createOpenApi([...others, own], await worker.types(), worker.queries(), version)
      return { status: 200, body: document }
    },
  })
  return own
}

/** OpenAPI 3.1 from the routes' own schemas, with the payloads of all types and the inputs of all queries. */
export function createOpenApi(
  routes: readonly Route[],
  types: readonly TypeInfo[],
  queries: readonly QueryInfo[],
  version: string,
): Json {
  const schemas: Json = {}
  const paths: Record<string, Json> = {}
  for (const one of routes) {
    paths[one.path] = { ...paths[one.path], [one.method.toLowerCase()]: operation(one, schemas) }
  }
  for (const one of queries) paths[`/queries/${one.name}`] = { post: queryOperation(one, schemas) }
  addTypes(schemas, types)
  return {
    openapi: '3.1.0',
    info: { title: 'MCP Worker', version, description: 'Background tasks: submit, watch, steer, query.' },
    paths,
    components: { schemas, securitySchemes: { token: { type: 'http', scheme: 'bearer' } } },
    security: [{}, { token: [] }],
  }
}

function operation(one: Route, schemas: Json): Json {
  const answers = Object.entries(one.answers).map(([status, { description, schema, contentType }]) => [
    status,
    {
      description,
      ...(schema && {
        content: { [contentType ?? 'application/json']: { schema: embed(schema, 'output', schemas) } },
      }),
    },
  ])
  return {
    operationId: one.operationId,
    summary: one.summary,
    description: `Scope: \`${one.scope}\``,
    parameters: [
      ...parameters(one.params, 'path', schemas),
      ...parameters(one.query, 'query', schemas),
      ...parameters(one.headers, 'header', schemas),
    ],
    ...(one.body !== null && {
      requestBody: {
        required: true,
        content: { 'application/json': { schema: embed(one.body, 'input', schemas) } },
      },
    }),
    responses: { ...Object.fromEntries(answers), ...problems(one.problems, schemas) },
  }
}

function problems(statuses: readonly number[], schemas: Json): Json {
  const all = [...new Set([...COMMON_PROBLEMS, ...statuses])].toSorted((a, b) => a - b)
  const schema = embed(problemSchema, 'output', schemas)
  return Object.fromEntries(
    all.map((status) => [
      status,
      { description: STATUS_CODES[status], content: { 'application/problem+json': { schema } } },
    ]),
  )
}

function parameters(schema: z.ZodObject | null, place: 'path' | 'query' | 'header', schemas: Json): Json[] {
  if (schema === null) return []
  const whole = embed(schema, 'input', schemas) as { properties?: Record<string, Json>; required?: string[] }
  return Object.entries(whole.properties ?? {}).flatMap(([name, one]) => {
    if ('not' in one) return [] // a header that is refused
    const { description, ...rest } = one
    const required = place === 'path' || (whole.required ?? []).includes(name)
    return [{ name, in: place, required, schema: rest, ...(description !== undefined && { description }) }]
  })
}

function queryOperation(info: QueryInfo, schemas: Json): Json {
  const content = (part: 'input' | 'output') => {
    const name = `query.${info.name}.${part}`
    schemas[name] = relocate(info[part], `${COMPONENTS}${name}`)
    return { 'application/json': { schema: { $ref: `${COMPONENTS}${name}` } } }
  }
  return {
    operationId: `query_${info.name}`,
    summary: info.description ?? `The query ${info.name} of ${info.plugin.name}`,
    description: `Scope: \`query:${info.name}\``,
    requestBody: { required: true, content: content('input') },
    responses: {
      200: { description: 'Its output', content: content('output') },
      ...problems([404, 413, 415, 422], schemas),
    },
  }
}

/** `NewTask` is made one of the known types, each with the schema of its payload. */
function addTypes(schemas: Json, types: readonly TypeInfo[]): void {
  const base = schemas['NewTask']
  if (types.length === 0 || base === undefined) return
  schemas['AnyTask'] = base
  const mapping: Record<string, string> = {}
  for (const info of types) {
    const versions = info.versions.map((version) => {
      const name = `payload.${info.type}.v${version}`
      schemas[name] = relocate(info.payload[version], `${COMPONENTS}${name}`)
      return { $ref: `${COMPONENTS}${name}` }
    })
    const payload = versions.length === 1 ? versions[0] : { anyOf: versions }
    const name = `NewTask.${info.type}`
    schemas[`result.${info.type}`] = relocate(info.result, `${COMPONENTS}result.${info.type}`)
    schemas[name] = {
      description: info.description ?? `A task of ${info.plugin.name}`,
      allOf: [
        { $ref: `${COMPONENTS}AnyTask` },
        { type: 'object', properties: { type: { const: info.type }, payload } },
      ],
    }
    mapping[info.type] = `${COMPONENTS}${name}`
  }
  schemas['NewTask'] = {
    oneOf: Object.values(mapping).map(($ref) => ({ $ref })),
    discriminator: { propertyName: 'type', mapping },
  }
}

/** A zod schema as JSON Schema; what has an `id` goes to the components and is referred to. */
function embed(schema: z.ZodType, io: 'input' | 'output', schemas: Json): Json {
  const made = z.toJSONSchema(schema, { io, unrepresentable: 'any' }) as Json
  const { $schema: _, $defs, ...rest } = made
  for (const [name, one] of Object.entries(($defs ?? {}) as Record<string, Json>)) {
    schemas[name] ??= moveRefs(stripId(one), (ref) => ref.replace('#/$defs/', COMPONENTS))
  }
  const id = rest['id']
  const moved = moveRefs(stripId(rest), (ref) => ref.replace('#/$defs/', COMPONENTS)) as Json
  if (typeof id !== 'string') return moved
  schemas[id] ??= moved
  return { $ref: `${COMPONENTS}${id}` }
}

function stripId(schema: Json): Json {
  const { id: _, ...rest } = schema
  return rest
}

/** A plugin's JSON Schema keeps its own definitions; its references are made to point at where it now stands. */
function relocate(schema: unknown, place: string): unknown {
  if (typeof schema !== 'object' || schema === null) return schema
  const { $schema: _, ...rest } = schema as Json
  return moveRefs(rest, (ref) => (ref.startsWith('#') ? `${place}${ref.slice(1)}` : ref))
}

function moveRefs(value: unknown, move: (ref: string) => string): unknown {
  if (Array.isArray(value)) return value.map((one) => moveRefs(one, move))
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).map(([key, inner]) =>
    key === '$ref' && typeof inner === 'string' ? [key, move(inner)] : [key, moveRefs(inner, move)],
  )
  return Object.fromEntries(entries)
}
