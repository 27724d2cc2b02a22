import { describe, expect, it } from 'vitest'
import { startService } from './running-service.js'

type Json = Record<string, unknown>

/** Every value of a `$ref` in the document. */
function refsIn(value: unknown): string[] {
  if (Array.isArray(value)) return value.flatMap(refsIn)
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([key, inner]) =>
    key === '$ref' && typeof inner === 'string' ? [inner] : refsIn(inner),
  )
}

function at(document: Json, ref: string): unknown {
  const keys = ref.slice(2).split('/')
  return keys.reduce<unknown>((value, key) => (value as Json | undefined)?.[key], document)
}

async function openApi(): Promise<{
  document: Json
  call: Awaited<ReturnType<typeof startService>>['call']
}> {
  const { call } = await startService({ env: { QUEUE_URL: 'memory:' } })
  const { status, body } = await call('GET', '/openapi.json')
  expect(status).toBe(200)
  return { document: body, call }
}

describe('GET /openapi.json', () => {
  it('lists every route that the server answers, and no other', async () => {
    const { document, call } = await openApi()
    expect(document['openapi']).toBe('3.1.0')
    const listed = Object.entries(document['paths'] as Record<string, Json>).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
    )
    expect(listed.toSorted((a, b) => (a < b ? -1 : 1))).toEqual([
      'GET /openapi.json',
      'GET /queries',
      'GET /schedules',
      'GET /tasks',
      'GET /tasks/{id}',
      'GET /tasks/{id}/events',
      'GET /tasks/{id}/explain',
      'GET /types',
      'POST /queries/refuse',
      'POST /queries/sum',
      'POST /queries/until_stopped',
      'POST /queries/{name}',
      'POST /tasks',
      'POST /tasks/batch',
      'POST /tasks/cancel',
      'POST /tasks/replay',
      'POST /tasks/{id}/cancel',
      'POST /tasks/{id}/replay',
      'POST /types/{type}/pause',
      'POST /types/{type}/resume',
    ])
    for (const entry of listed) {
      const [method = '', path = ''] = entry.split(' ')
      const { body } = await call(
        method,
        path.replaceAll(/\{\w+\}/g, 'x'),
        method === 'POST' ? {} : undefined,
      )
      expect(['no_such_route', 'method_not_allowed']).not.toContain(body.code)
    }
  })

  it('refers to nothing that is not there', async () => {
    const { document } = await openApi()
    const refs = [...new Set(refsIn(document))]
    expect(refs.length).toBeGreaterThan(10)
    expect(refs.filter((ref) => !ref.startsWith('#/') || at(document, ref) === undefined)).toEqual([])
  })

  it('holds the payload of every type, told apart by `type`, and the input of every query', async () => {
    const { document } = await openApi()
    const task = at(document, '#/components/schemas/NewTask') as {
      oneOf: Json[]
      discriminator: { mapping: Json }
    }
    expect(Object.keys(task.discriminator.mapping)).toEqual(
      expect.arrayContaining(['echo', 'greet', 'steps']),
    )
    expect(at(document, '#/components/schemas/payload.echo.v1')).toMatchObject({
      type: 'object',
      required: ['text'],
      properties: { width: { type: 'integer', minimum: 16 } },
    })
    expect(at(document, '#/components/schemas/query.sum.input')).toMatchObject({
      properties: { numbers: { type: 'array' } },
    })
    const { post } =
      (document['paths'] as Record<string, Record<string, { responses: Json; requestBody: unknown }>>)[
        '/tasks'
      ] ?? {}
    expect(Object.keys(post?.responses ?? {})).toEqual(
      expect.arrayContaining([
        '200',
        '202',
        '400',
        '401',
        '403',
        '409',
        '413',
        '415',
        '422',
        '429',
        '503',
        '507',
      ]),
    )
  })
})
