import { describe, expect, it } from 'vitest'
import { createAuthenticator, requireScope, requireSubmitScopes } from '../dist/api/authorise.js'
import { createOriginCheck } from '../dist/api/origin.js'

const SHOP = { name: 'shop', token: 'shop-token-0123456789', scopes: ['submit:echo', 'read'] as const }
const OPS = { name: 'ops', token: 'ops-token-0123456789', scopes: ['operate', 'query:*'] as const }

describe('tokens', () => {
  it('admit everybody as local with every scope where none is configured', () => {
    const principal = createAuthenticator([])(undefined)
    expect(principal.name).toBe('local')
    expect(() => requireScope(principal, 'admin')).not.toThrow()
  })

  it('find who holds one, wherever it stands in the list', () => {
    const authenticate = createAuthenticator([SHOP, OPS])
    expect(authenticate(`Bearer ${SHOP.token}`).name).toBe('shop')
    expect(authenticate(`bearer ${OPS.token}`).name).toBe('ops')
  })

  it.each([
    undefined,
    '',
    'Bearer',
    'Bearer ',
    'Bearer x',
    `Basic ${SHOP.token}`,
    SHOP.token,
    `Bearer ${SHOP.token}x`,
  ])('refuse %j with a challenge', (header) => {
    expect(() => createAuthenticator([SHOP, OPS])(header)).toThrow(
      expect.objectContaining({
        code: 'unauthorised',
        headers: { 'www-authenticate': 'Bearer realm="mcp-worker"' },
      }),
    )
  })

  it('allow what their scopes say and nothing else', () => {
    const shop = { name: 'shop', scopes: SHOP.scopes }
    const ops = { name: 'ops', scopes: OPS.scopes }
    expect(() => requireScope(shop, 'submit:echo')).not.toThrow()
    expect(() => requireScope(ops, 'query:sum')).not.toThrow()
    for (const [principal, scope] of [
      [shop, 'submit:other'],
      [shop, 'submit:*'],
      [shop, 'operate'],
      [shop, 'query:sum'],
      [ops, 'read'],
      [ops, 'submit:echo'],
    ] as const) {
      expect(() => requireScope(principal, scope)).toThrow(
        expect.objectContaining({ code: 'forbidden', details: { required_scope: scope } }),
      )
    }
  })

  it('are asked for each item of a batch, naming the refused ones', () => {
    const shop = { name: 'shop', scopes: SHOP.scopes }
    expect(() => requireSubmitScopes(shop, ['echo', 'echo'])).not.toThrow()
    expect(() => requireSubmitScopes(shop, ['echo', 'steps', 'echo', 'admin'])).toThrow(
      expect.objectContaining({
        faults: [
          expect.objectContaining({ path: 'tasks[1].type' }),
          expect.objectContaining({ path: 'tasks[3].type' }),
        ],
      }),
    )
  })
})

describe('Host and Origin', () => {
  const check = createOriginCheck(['worker.internal', 'Other.Example'])
  const from = (host: string | undefined, origin?: string, localAddress = '127.0.0.1') =>
    check({ host, origin, localAddress })

  it.each([
    'localhost',
    'localhost:8000',
    'LOCALHOST:1',
    '127.0.0.1:9090',
    '[::1]:8000',
    'worker.internal',
    'worker.internal.:80',
    'other.example:8000',
    undefined,
  ])('accept the host %j', (host) => {
    expect(() => from(host)).not.toThrow()
  })

  it.each([
    'evil.example',
    'localhost.evil.example',
    'evil.example#localhost',
    'localhost@evil.example',
    'x:y@localhost',
    '127.0.0.1.evil.example',
    '10.0.0.9:8000',
    '',
    'worker.internal:99999',
    'a b',
  ])('refuse the host %j', (host) => {
    expect(() => from(host)).toThrow(expect.objectContaining({ code: 'host_refused' }))
  })

  it('accept the very address that a connection came in on, as probes of an orchestrator use it', () => {
    expect(() => from('10.0.0.9:9090', undefined, '10.0.0.9')).not.toThrow()
    expect(() => from('10.0.0.9:9090', undefined, '::ffff:10.0.0.9')).not.toThrow()
    expect(() => from('10.0.0.8:9090', undefined, '10.0.0.9')).toThrow('is not one of this service')
  })

  it.each([
    'https://evil.example',
    'null',
    'http://localhost.evil.example',
    'file://',
    'chrome-extension://abc',
    '',
  ])('refuse the origin %j', (origin) => {
    expect(() => from('localhost', origin)).toThrow(expect.objectContaining({ code: 'origin_refused' }))
  })

  it.each(['http://localhost:3000', 'https://worker.internal', 'http://127.0.0.1:8000', 'http://[::1]:8000'])(
    'accept the origin %j',
    (origin) => {
      expect(() => from('localhost', origin)).not.toThrow()
    },
  )
})
