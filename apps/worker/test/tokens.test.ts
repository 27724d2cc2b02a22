import { request } from 'node:http'
import { describe, expect, it } from 'vitest'
import { startService, type RunningService } from './running-service.js'

const TOKENS = {
  shop: 'shop-token-0123456789',
  viewer: 'viewer-token-0123456789',
  searcher: 'searcher-token-0123456789',
  ops: 'ops-token-0123456789',
  twin: 'twin-token-0123456789',
}

const config = {
  tokens: [
    { name: 'shop', token: TOKENS.shop, scopes: ['submit:greet', 'submit:echo', 'read'] },
    { name: 'viewer', token: TOKENS.viewer, scopes: ['read'] },
    { name: 'searcher', token: TOKENS.searcher, scopes: ['query:sum'] },
    { name: 'ops', tokenEnv: 'OPS_TOKEN', scopes: ['operate'] },
    { name: 'twin', token: TOKENS.twin, scopes: ['submit:*'] },
  ],
}
const env = { QUEUE_URL: 'memory:', API_TOKEN: 'root-token-0123456789', OPS_TOKEN: TOKENS.ops }

const later = (type: string) => ({ type, payload: {}, delay: '1h' })

type Who = keyof typeof TOKENS | 'root'

function as({ call }: RunningService, who: Who) {
  const token = who === 'root' ? env.API_TOKEN : TOKENS[who]
  return (method: string, path: string, body?: unknown, headers: Record<string, string> = {}) =>
    call(method, path, body, { authorization: `Bearer ${token}`, ...headers })
}

describe('with tokens', () => {
  it('every route asks for one, before it looks at anything else', async () => {
    const { call } = await startService({ env, config })
    for (const [method, path, body] of [
      ['GET', '/tasks'],
      ['GET', '/openapi.json'],
      ['GET', '/types'],
      ['GET', '/nope'],
      ['POST', '/tasks', '{ not json'],
      ['POST', '/queries/sum', {}],
    ] as const) {
      const answer = await call(method, path, body)
      expect(answer).toMatchObject({ status: 401, body: { code: 'unauthorised' } })
      expect(answer.headers.get('www-authenticate')).toContain('Bearer')
    }
  })

  it('each may do what its scopes say, and nothing else', async () => {
    const service = await startService({ env, config })
    await as(service, 'root')('POST', '/tasks', { ...later('greet'), id: 't' })
    await as(service, 'root')('POST', '/tasks', { type: 'greet', payload: {}, id: 'ended' })
    await as(service, 'root')('GET', '/tasks/ended?wait=20')
    const requests: [name: string, method: string, path: string, body?: unknown][] = [
      ['submit greet', 'POST', '/tasks', later('greet')],
      ['submit broken', 'POST', '/tasks', later('broken')],
      ['read', 'GET', '/tasks/t'],
      ['list', 'GET', '/tasks'],
      ['events', 'GET', '/tasks/ended/events'],
      ['explain', 'GET', '/tasks/t/explain'],
      ['types', 'GET', '/types'],
      ['schedules', 'GET', '/schedules'],
      ['query sum', 'POST', '/queries/sum', { numbers: [] }],
      ['query refuse', 'POST', '/queries/refuse', {}],
      ['pause', 'POST', '/types/greet/pause'],
      ['resume', 'POST', '/types/greet/resume'],
      ['cancel', 'POST', '/tasks/nobody/cancel'],
      ['replay', 'POST', '/tasks/t/replay'],
      ['cancel all', 'POST', '/tasks/cancel', { type: 'nobody' }],
      ['replay all', 'POST', '/tasks/replay', { type: 'nobody' }],
    ]
    const allowed: Record<string, string[]> = {}
    for (const who of ['shop', 'viewer', 'searcher', 'ops', 'twin', 'root'] as const) {
      allowed[who] = []
      for (const [name, method, path, body] of requests) {
        const answer = await as(service, who)(method, path, body)
        if (answer.body.code !== 'forbidden') allowed[who].push(name)
      }
    }
    const reading = ['read', 'list', 'events', 'explain', 'types', 'schedules']
    expect(allowed).toEqual({
      shop: ['submit greet', ...reading],
      viewer: reading,
      searcher: ['query sum'],
      ops: ['pause', 'resume', 'cancel', 'replay', 'cancel all', 'replay all'],
      twin: ['submit greet', 'submit broken'],
      root: requests.map(([name]) => name),
    })
  })

  it('the items of a batch are authorised one by one, and one refused refuses all', async () => {
    const service = await startService({ env, config })
    const tasks = ['greet', 'broken', 'greet', 'steps'].map((type, i) => ({
      type,
      payload: {},
      id: `t-${i}`,
    }))
    const refused = await as(service, 'shop')('POST', '/tasks/batch', { tasks })
    expect(refused).toMatchObject({ status: 403, body: { code: 'forbidden' } })
    expect(refused.body.faults.map((one: { path: string }) => one.path)).toEqual([
      'tasks[1].type',
      'tasks[3].type',
    ])
    expect((await as(service, 'root')('GET', '/tasks/t-0')).status).toBe(404)
  })

  it('idempotency keys are kept apart by token', async () => {
    const service = await startService({ env, config })
    const key = { 'idempotency-key': 'same' }
    const submit = (who: Who, text: string) =>
      as(service, who)('POST', '/tasks', { type: 'echo', payload: { text } }, key)
    expect((await submit('shop', 'a')).status).toBe(202)
    expect((await submit('twin', 'b')).status).toBe(202)
    expect((await submit('shop', 'a')).status).toBe(200)
    expect((await submit('twin', 'a')).status).toBe(409)
  })

  it('beyond loopback the API answers under any name, since a foreign page has no token', async () => {
    const service = await startService({ env: { ...env, API_HOST: '0.0.0.0' }, config })
    const answer = await as(service, 'viewer')('GET', '/types', undefined, { origin: 'https://evil.example' })
    expect(answer.status).toBe(200)
    const forged = await statusAs(`${service.url}/types`, {
      host: 'worker.example',
      authorization: `Bearer ${TOKENS.viewer}`,
    })
    expect(forged).toBe(200)
  })
})

describe('without tokens', () => {
  it('neither a foreign page nor a rebound name gets an answer', async () => {
    const { call, url } = await startService({ env: { QUEUE_URL: 'memory:' } })
    const task = { type: 'greet', payload: {}, id: 't', delay: '1h' }
    expect(await call('POST', '/tasks', task, { origin: 'https://evil.example' })).toMatchObject({
      status: 403,
      body: { code: 'origin_refused' },
    })
    // a form can send this without asking first: no body, no header of its own
    expect((await call('POST', '/tasks/t/cancel', undefined, { origin: 'null' })).status).toBe(403)
    expect(await statusAs(`${url}/tasks`, { host: 'rebound.example' })).toBe(403)
    expect(await statusAs(`${url}/tasks`, { host: 'localhost' })).toBe(200)
    expect((await call('GET', '/tasks/t')).status).toBe(404)
  })
})

/** A GET with a Host that fetch would not send. */
function statusAs(url: string, headers: Record<string, string>): Promise<number> {
  return new Promise((resolve, reject) => {
    const sent = request(url, { headers }, (response) => {
      response.resume()
      resolve(response.statusCode ?? 0)
    })
    sent.on('error', reject).end()
  })
}
