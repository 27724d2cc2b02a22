import { WorkerError, type TypeInfo, type Worker } from '@mcp-worker/runtime'
import { z } from 'zod'
import { requireScope } from './authorise.js'
import { type Route, route } from './route.js'

export const pluginSchema = z
  .object({ name: z.string(), version: z.string(), host: z.enum(['inline', 'thread']) })
  .meta({ id: 'Plugin' })

const jsonSchema = z.unknown().describe('A JSON Schema (2020-12)')

const typeSchema = z
  .object({
    type: z.string(),
    plugin: pluginSchema,
    description: z.string().nullable(),
    versions: z.array(z.int()),
    payload: z.record(z.string(), jsonSchema).describe("By version, the payload's JSON Schema"),
    result: jsonSchema,
    timeout: z.number().describe('Seconds'),
    max_attempts: z.int(),
    concurrency: z.int(),
    paused: z.boolean(),
  })
  .meta({ id: 'TaskType' })

const params = z.object({ type: z.string().max(64) })
const paused = { schema: z.object({ type: z.string(), paused: z.boolean() }) }

export function typeRoutes(worker: Worker): readonly Route[] {
  return [listTypes(worker), pause(worker), resume(worker)]
}

function listTypes(worker: Worker): Route {
  return route({
    method: 'GET',
    path: '/types',
    operationId: 'listTypes',
    summary: 'The task types of this worker',
    scope: 'read',
    answers: { 200: { description: 'All types', schema: z.object({ types: z.array(typeSchema) }) } },
    handle: async ({ principal }) => {
      requireScope(principal, 'read')
      return { status: 200, body: { types: (await worker.types()).map(typeJson) } }
    },
  })
}

function pause(worker: Worker): Route {
  return route({
    method: 'POST',
    path: '/types/{type}/pause',
    operationId: 'pauseType',
    summary: 'Stop claiming tasks of a type, on all workers and across restarts; submits go on',
    scope: 'operate',
    params,
    answers: { 200: { description: 'It is paused', ...paused } },
    problems: [422],
    handle: async ({ principal, params: { type } }) => {
      requireScope(principal, 'operate')
      await requireKnown(worker, type)
      await worker.pause(type)
      return { status: 200, body: { type, paused: true } }
    },
  })
}

function resume(worker: Worker): Route {
  return route({
    method: 'POST',
    path: '/types/{type}/resume',
    operationId: 'resumeType',
    summary: 'Go on claiming tasks of a type',
    scope: 'operate',
    params,
    answers: { 200: { description: 'It is not paused any more', ...paused } },
    problems: [422],
    handle: async ({ principal, params: { type } }) => {
      requireScope(principal, 'operate')
      await requireKnown(worker, type)
      await worker.resume(type)
      return { status: 200, body: { type, paused: false } }
    },
  })
}

async function requireKnown(worker: Worker, type: string): Promise<void> {
  const known = (await worker.types()).map((one) => one.type)
  if (known.includes(type)) return
  throw new WorkerError('unknown_type', `no plugin of this worker has the type ${JSON.stringify(type)}`, {
    details: { known_types: known },
  })
}

function typeJson(info: TypeInfo): z.output<typeof typeSchema> {
  const { timeoutMs, maxAttempts, payload, versions, plugin, ...rest } = info
  return {
    ...rest,
    plugin: { ...plugin },
    versions: [...versions],
    payload: { ...payload },
    timeout: timeoutMs / 1_000,
    max_attempts: maxAttempts,
  }
}
