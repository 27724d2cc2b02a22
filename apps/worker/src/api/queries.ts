import type { Worker } from '@mcp-worker/runtime'
import { z } from 'zod'
import { requireScope } from './authorise.js'
import { type Route, route } from './route.js'
import { pluginSchema } from './types.js'

const querySchema = z
  .object({
    name: z.string(),
    plugin: pluginSchema,
    description: z.string().nullable(),
    input: z.unknown().describe('A JSON Schema (2020-12)'),
    output: z.unknown().describe('A JSON Schema (2020-12)'),
  })
  .meta({ id: 'Query' })

export function queryRoutes(worker: Worker): readonly Route[] {
  return [listQueries(worker), ask(worker)]
}

function listQueries(worker: Worker): Route {
  return route({
    method: 'GET',
    path: '/queries',
    operationId: 'listQueries',
    summary: 'The queries of this worker',
    scope: 'read',
    answers: { 200: { description: 'All queries', schema: z.object({ queries: z.array(querySchema) }) } },
    handle: async ({ principal }) => {
      requireScope(principal, 'read')
      return { status: 200, body: { queries: worker.queries() } }
    },
  })
}

function ask(worker: Worker): Route {
  return route({
    method: 'POST',
    path: '/queries/{name}',
    operationId: 'ask',
    summary: 'Ask a query of a plugin: the body is its input',
    scope: 'query:<name>',
    params: z.object({ name: z.string().max(64) }),
    body: z.unknown(),
    answers: { 200: { description: 'Its output', schema: z.unknown() } },
    problems: [404, 413, 415, 422],
    handle: async ({ principal, params: { name }, body, signal }) => {
      requireScope(principal, `query:${name}`)
      return { status: 200, body: await worker.query(name, body, { signal }) }
    },
  })
}
