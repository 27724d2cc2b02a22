import { describe, expect, it } from 'vitest'
import { startService, type Answer } from './running-service.js'

const memory = { env: { QUEUE_URL: 'memory:' } }
const pathsOf = ({ body }: Answer) => (body.faults ?? []).map((one: { path: string }) => one.path)

describe('every fault of a request', () => {
  it('is problem+json with a stable code, the status of the table, and a remedy', async () => {
    const { call } = await startService(memory)
    const payload = {}
    const noon = '2099-01-31T12:00:00Z'
    const cases: [method: string, path: string, body: unknown, status: number, code: string][] = [
      ['GET', '/nope', undefined, 404, 'no_such_route'],
      ['GET', '/tasks/', undefined, 404, 'not_found'],
      ['GET', '/tasks/nope', undefined, 404, 'not_found'],
      ['GET', `/tasks/${'x'.repeat(200)}`, undefined, 404, 'not_found'],
      ['GET', `/tasks/${'x'.repeat(2_000)}`, undefined, 404, 'no_such_route'],
      ['GET', '/tasks/%00%0d%0a', undefined, 404, 'not_found'],
      ['GET', '/tasks/%zz', undefined, 400, 'bad_request'],
      ['GET', '/tasks/..%2f..%2fetc%2fpasswd', undefined, 404, 'not_found'],
      ['PUT', '/tasks', {}, 405, 'method_not_allowed'],
      ['DELETE', '/tasks/x', undefined, 405, 'method_not_allowed'],
      ['GET', '/tasks/x/cancel', undefined, 405, 'method_not_allowed'],
      ['OPTIONS', '/tasks', undefined, 405, 'method_not_allowed'],
      ['GET', '/tasks/x?wait=61', undefined, 400, 'invalid_parameter'],
      ['GET', '/tasks/x?wait=-1', undefined, 400, 'invalid_parameter'],
      ['GET', '/tasks/x?wait=1e9', undefined, 400, 'invalid_parameter'],
      ['GET', '/tasks/x?wait=1&wait=2', undefined, 400, 'invalid_parameter'],
      ['GET', '/tasks/x?wiat=1', undefined, 400, 'invalid_parameter'],
      ['GET', '/tasks?limit=0', undefined, 400, 'invalid_parameter'],
      ['GET', '/tasks?limit=1001', undefined, 400, 'invalid_parameter'],
      ['GET', '/tasks?limit=1.5', undefined, 400, 'invalid_parameter'],
      ['GET', '/tasks?status=done', undefined, 400, 'invalid_parameter'],
      ['GET', '/tasks?cursor=nonsense', undefined, 400, 'bad_cursor'],
      ['POST', '/tasks', '', 400, 'bad_json'],
      ['POST', '/tasks', '{', 400, 'bad_json'],
      ['POST', '/tasks', 'null', 422, 'invalid_task'],
      ['POST', '/tasks', [], 422, 'invalid_task'],
      ['POST', '/tasks', {}, 422, 'invalid_task'],
      ['POST', '/tasks', { type: 'greet' }, 422, 'invalid_task'],
      ['POST', '/tasks', { type: 'nope', payload }, 422, 'unknown_type'],
      ['POST', '/tasks', { type: 'toString', payload }, 422, 'unknown_type'],
      ['POST', '/tasks', { type: 'greet', payload, version: 2 }, 422, 'unknown_version'],
      ['POST', '/tasks', { type: 'greet', payload: { a: 1 } }, 422, 'invalid_payload'],
      ['POST', '/tasks', { type: 'greet', payload, id: '../x' }, 422, 'invalid_task'],
      ['POST', '/tasks', { type: 'greet', payload, id: 'x'.repeat(129) }, 422, 'invalid_task'],
      ['POST', '/tasks', { type: 'greet', payload, priority: 101 }, 422, 'invalid_task'],
      ['POST', '/tasks', { type: 'greet', payload, priority: 0.5 }, 422, 'invalid_task'],
      ['POST', '/tasks', { type: 'greet', payload, delay: '-1s' }, 422, 'invalid_task'],
      ['POST', '/tasks', { type: 'greet', payload, delay: 'soon' }, 422, 'invalid_task'],
      ['POST', '/tasks', { type: 'greet', payload, timeout: 0 }, 422, 'invalid_task'],
      ['POST', '/tasks', { type: 'greet', payload, timeout: '100d' }, 422, 'invalid_task'],
      ['POST', '/tasks', { type: 'greet', payload, run_at: 'tomorrow' }, 422, 'invalid_task'],
      ['POST', '/tasks', { type: 'greet', payload, run_at: noon, expires_at: noon }, 422, 'invalid_task'],
      ['POST', '/tasks', { type: 'greet', payload, run_at: '2026-01-01' }, 422, 'invalid_task'],
      ['POST', '/tasks', { type: 'greet', payload, max_attempts: 0 }, 422, 'invalid_task'],
      ['POST', '/tasks', '{"type":"greet","payload":{"__proto__":{"x":1}}}', 422, 'forbidden_key'],
      [
        'POST',
        '/tasks',
        `{"type":"greet","payload":${'['.repeat(100)}${']'.repeat(100)}}`,
        422,
        'payload_too_deep',
      ],
      [
        'POST',
        '/tasks',
        { type: 'echo', payload: { text: 'x'.repeat(1024 * 1024) } },
        413,
        'payload_too_large',
      ],
      [
        'POST',
        '/tasks',
        { type: 'echo', payload: { text: 'x'.repeat(5 * 1024 * 1024) } },
        413,
        'body_too_large',
      ],
      ['POST', '/tasks/batch', { tasks: {} }, 422, 'invalid_task'],
      ['POST', '/tasks/nope/cancel', undefined, 404, 'not_found'],
      ['POST', '/tasks/nope/replay', undefined, 404, 'not_found'],
      ['POST', '/types/nope/pause', undefined, 422, 'unknown_type'],
      ['POST', '/types/nope/resume', undefined, 422, 'unknown_type'],
      ['POST', '/queries/nope', {}, 404, 'unknown_query'],
      ['POST', '/queries/constructor', {}, 404, 'unknown_query'],
      ['POST', '/queries/sum', { numbers: 'x' }, 422, 'invalid_input'],
    ]
    const answers = []
    for (const [method, path, body] of cases) answers.push(await call(method, path, body))
    const seen = answers.map(({ status, body }) => [status, body.code])
    expect(seen).toEqual(cases.map(([, , , status, code]) => [status, code]))
    for (const { status, headers, body } of answers) {
      expect(headers.get('content-type')).toBe('application/problem+json')
      expect(body).toMatchObject({
        type: `urn:mcp-worker:error:${body.code}`,
        title: expect.stringMatching(/\w/),
        status,
        detail: expect.stringMatching(/\w/),
        remedy: expect.stringMatching(/\w/),
      })
    }
  })

  it('names each wrong place at once, and the nearest known key', async () => {
    const { call } = await startService(memory)
    const body = { type: 'echo', payload: { text: 'x' }, priority: 'high', runat: 1, timeout: 'x', id: '' }
    const answer = await call('POST', '/tasks', body)
    expect(pathsOf(answer).toSorted()).toEqual(['id', 'priority', 'runat', 'timeout'])
    expect(answer.body.faults).toContainEqual({
      path: 'runat',
      message: 'unknown key, did you mean "run_at"?',
    })
  })

  it('of a payload has a path per fault, from the root of the body', async () => {
    const { call } = await startService(memory)
    const answer = await call('POST', '/tasks', { type: 'echo', payload: { text: 1, width: 3, wide: true } })
    expect(pathsOf(answer).toSorted()).toEqual(['payload.text', 'payload.wide', 'payload.width'])
  })

  it('of an unknown type lists the known ones', async () => {
    const { call } = await startService(memory)
    const { body } = await call('POST', '/tasks', { type: 'ecko', payload: {} })
    expect(body.known_types).toEqual(expect.arrayContaining(['echo', 'greet', 'health_check']))
    expect(body.detail).toContain('did you mean echo')
  })

  it('of a method lists the allowed ones', async () => {
    const { call } = await startService(memory)
    expect((await call('PATCH', '/tasks')).headers.get('allow')).toBe('POST, GET, HEAD')
    expect((await call('GET', '/tasks/x/replay')).headers.get('allow')).toBe('POST')
  })

  it('of the type of a body is 415', async () => {
    const { call, url } = await startService(memory)
    const body = '{"type":"greet","payload":{}}'
    for (const type of [
      'text/plain',
      'application/x-www-form-urlencoded',
      'multipart/form-data; boundary=x',
      'application/jsonx',
    ]) {
      const answer = await call('POST', '/tasks', body, { 'content-type': type })
      expect(answer).toMatchObject({ status: 415, body: { code: 'unsupported_media_type' } })
    }
    const zipped = await call('POST', '/tasks', body, { 'content-encoding': 'gzip' })
    expect(zipped.status).toBe(415)
    const untyped = await fetch(`${url}/tasks`, { method: 'POST', body: new Blob([body]) })
    expect(untyped.status).toBe(415)
    expect(
      (await call('POST', '/tasks', body, { 'content-type': 'application/json; charset=utf-8' })).status,
    ).toBe(202)
  })

  it('of an idempotency key is 400', async () => {
    const { call } = await startService(memory)
    for (const key of ['', 'a b', 'x'.repeat(256), 'ü']) {
      const headers = { 'idempotency-key': key }
      const answer = await call('POST', '/tasks', { type: 'greet', payload: {} }, headers)
      expect(answer).toMatchObject({ status: 400, body: { code: 'invalid_parameter' } })
    }
  })
})
