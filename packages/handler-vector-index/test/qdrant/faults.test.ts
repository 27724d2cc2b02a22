import { expect, test } from 'vitest'
import { batchOf, documentAt, numbered } from '../documents.js'
import type { Fault } from './local-server.js'
import { openGate, openQdrantPlace } from './place.js'

const { signal } = new AbortController()
const BATCH = /^POST \/collections\/.*\/points\/batch$/

/** A collection `c` with one document, and the server that it is on. */
async function openWithDocument(options: Parameters<typeof openQdrantPlace>[0] = {}) {
  const place = await openQdrantPlace(options)
  await place.store.write(batchOf([documentAt('first', [0])]), { signal })
  return place
}

const passing: readonly (readonly [string, Fault])[] = [
  ['a rate limit', { kind: 'rate_limit' }],
  ['a 503', { kind: 'status', status: 503, error: 'Service internal error: shutting down' }],
  ['a 500', { kind: 'status', status: 500, error: 'Service internal error: panicked' }],
  ['a connection that is dropped before anything is done', { kind: 'drop', after: 'nothing' }],
  ['a connection that is dropped in the middle of a batch', { kind: 'drop', after: 3 }],
  ['a connection that is dropped after all was done', { kind: 'drop', after: 'all' }],
]

test.each(passing)('%s is tried again, and each document is there once and whole', async (_, fault) => {
  const { server, store } = await openWithDocument()
  server.fault({ on: BATCH, fault, times: 2 })
  expect(await store.write(batchOf(numbered(10, [0, 1])), { signal })).toEqual({ stale: new Set() })
  expect(server.requests.filter((request) => request.includes('points/batch'))).toHaveLength(1 + 3)
  expect(await store.describe('c')).toMatchObject({ count: 11, chunks: 21 })
  const content = await store.read('c', ['d0000', 'd0009'])
  expect([...content.values()].map(({ intact, chunks }) => [intact, chunks.length])).toEqual([
    [true, 2],
    [true, 2],
  ])
})

test.each(passing.slice(3))('a replacement after %s is not taken for another one’s', async (_, fault) => {
  const { server, store } = await openWithDocument()
  const seen = (await store.lookup('c', ['first'])).get('first')?.revision ?? null
  server.fault({ on: BATCH, fault })
  expect(await store.write(batchOf([documentAt('first', [1, 2], { seen })]), { signal })).toEqual({
    stale: new Set(),
  })
  expect(await store.describe('c')).toMatchObject({ count: 1, chunks: 2 })
})

test('Retry-After is waited for, and no request goes out before', async () => {
  const { server, store } = await openWithDocument()
  server.fault({ on: BATCH, fault: { kind: 'rate_limit', retryAfter: '1' } })
  const start = performance.now()
  await store.write(batchOf(numbered(1)), { signal })
  expect(performance.now() - start).toBeGreaterThanOrEqual(950)
})

test.each([
  ['seconds', '120', 120_000],
  ['a date', new Date(Date.now() + 120_000).toUTCString(), 120_000],
])('a Retry-After in %s that is too long to wait for goes to the queue', async (_, retryAfter, delayMs) => {
  const { server, store } = await openWithDocument()
  server.fault({ on: BATCH, fault: { kind: 'rate_limit', retryAfter } })
  const error: unknown = await store
    .write(batchOf(numbered(1)), { signal })
    .catch((reason: unknown) => reason)
  expect(error).toMatchObject({ name: 'RetryableError', code: 'STORE_BUSY' })
  const given = (error as { delayMs: number }).delayMs
  expect(given).toBeGreaterThan(delayMs - 20_000)
  expect(given).toBeLessThanOrEqual(delayMs)
})

test('a 503 with Retry-After goes to the queue with its delay', async () => {
  const { server, store } = await openWithDocument()
  server.fault({ on: BATCH, fault: { kind: 'status', status: 503, error: 'busy', retryAfter: '60' } })
  await expect(store.write(batchOf(numbered(1)), { signal })).rejects.toMatchObject({
    code: 'STORE_UNAVAILABLE',
    delayMs: expect.closeTo(60_000, -3),
  })
})

const classes: readonly (readonly [Fault, string, string])[] = [
  [{ kind: 'rate_limit' }, 'RetryableError', 'STORE_BUSY'],
  [
    { kind: 'status', status: 500, error: 'Service internal error: x' },
    'RetryableError',
    'STORE_UNAVAILABLE',
  ],
  [{ kind: 'status', status: 408, error: 'Timeout: x' }, 'RetryableError', 'STORE_UNAVAILABLE'],
  [{ kind: 'drop', after: 1 }, 'RetryableError', 'STORE_UNAVAILABLE'],
  [{ kind: 'status', status: 507, error: 'Insufficient storage: x' }, 'RetryableError', 'STORE_FULL'],
  [{ kind: 'status', status: 403, error: 'Forbidden: x' }, 'NonRetryableError', 'STORE_REFUSED'],
  [
    { kind: 'status', status: 400, error: 'Wrong input: Vector dimension error: expected dim: 3, got 2' },
    'NonRetryableError',
    'STORE_REFUSED',
  ],
]

test.each(classes)('%o that does not pass is a %s %s with what Qdrant said', async (fault, name, code) => {
  const { server, store } = await openWithDocument({ retryForMs: 0 })
  server.fault({ on: BATCH, fault, times: 100 })
  const said = fault.kind === 'status' ? fault.error : 'Qdrant'
  await expect(store.write(batchOf(numbered(3)), { signal })).rejects.toMatchObject({
    name,
    code,
    message: expect.stringContaining(said),
  })
})

test('no answer within requestTimeoutMs is STORE_UNAVAILABLE', async () => {
  const { server, again } = await openWithDocument()
  const impatient = await again({ requestTimeoutMs: 100, retryForMs: 0 })
  await impatient.describe('c')
  const { promise, resolve } = openGate()
  server.fault({ on: BATCH, fault: { kind: 'slow', until: promise } })
  await expect(impatient.write(batchOf(numbered(1)), { signal })).rejects.toMatchObject({
    code: 'STORE_UNAVAILABLE',
    message: expect.stringContaining('within 100 ms'),
  })
  resolve()
})

test('a server that is down lets the store open, and is STORE_UNAVAILABLE until it is up', async () => {
  const { server, again } = await openQdrantPlace()
  const store = await again({ url: 'http://127.0.0.1:1', retryForMs: 0 })
  await expect(store.describe('c')).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
  await expect(store.ping()).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
  const late = await again({ retryForMs: 0 })
  server.fault({ on: /^GET \/$/, fault: { kind: 'drop', after: 'nothing' } })
  await expect(late.ping()).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
  await late.ping()
})

test('an abort ends a call whose request gets no answer, and one that waits before it tries again', async () => {
  const { server, store } = await openWithDocument()
  const { promise, resolve } = openGate()
  for (const fault of [
    { kind: 'slow', until: promise },
    { kind: 'rate_limit', retryAfter: '19' },
  ] as const) {
    server.fault({ on: BATCH, fault })
    const before = server.requests.filter((request) => request.includes('/batch')).length
    const abort = new AbortController()
    const writing = store.write(batchOf(numbered(1)), { signal: abort.signal })
    const refused = writing.catch((reason: unknown) => reason)
    await expect
      .poll(() => server.requests.filter((request) => request.includes('/batch')).length)
      .toBe(before + 1)
    abort.abort(new Error('cancelled by the test'))
    expect(await refused).toMatchObject({ message: 'cancelled by the test' })
  }
  resolve()
})

test('every change asks Qdrant to wait until it is done', async () => {
  const { server, store } = await openWithDocument()
  await store.write(batchOf(numbered(3)), { signal })
  await store.remove({ collection: 'c', which: { all: true } }, 2, { signal })
  const { generation } = await store.build(
    { collection: 'c', embedder: 'e', dim: 2, chunk: null },
    { signal },
  )
  await store.promote('c', generation, { signal })
  await store.ping()
  const changes = server.requests.filter((request) =>
    /points(\/batch|\/delete)?\?|^PUT .*points/.test(request),
  )
  expect(changes.length).toBeGreaterThan(5)
  expect(changes.filter((request) => !request.includes('wait=true'))).toEqual([])
})

test('the key goes with each request; a wrong one is STORE_REFUSED', async () => {
  const { store, again } = await openQdrantPlace({ apiKey: 'secret' }, { apiKey: 'secret' })
  await store.ping()
  const wrong = await again({ apiKey: 'other' })
  const error: unknown = await wrong.ping().catch((reason: unknown) => reason)
  expect(error).toMatchObject({ code: 'STORE_REFUSED', message: expect.stringContaining('API key') })
  expect(String(error)).not.toContain('other')
})

test('an older Qdrant is STORE_OLDER: its conditions do not hold over a crash', async () => {
  const { store } = await openQdrantPlace({}, { version: '1.18.3' })
  await expect(store.ping()).rejects.toMatchObject({ name: 'NonRetryableError', code: 'STORE_OLDER' })
})

test('a registry of another program or a newer version is refused', async () => {
  const { server, store, again } = await openQdrantPlace()
  const make = (metadata: Record<string, unknown>, prefix: string) =>
    server.qdrant.answer({
      method: 'PUT',
      path: ['collections', `${prefix}._registry`],
      body: { vectors: {}, metadata },
      wait: true,
      onPoint: () => {},
    })
  await store.ping()
  make({}, 'foreign')
  make({ program: '@mcp-worker/handler-vector-index', format: 99 }, 'newer')
  await expect((await again({ prefix: 'foreign' })).ping()).rejects.toMatchObject({ code: 'STORE_FOREIGN' })
  await expect((await again({ prefix: 'newer' })).ping()).rejects.toMatchObject({ code: 'STORE_NEWER' })
})
