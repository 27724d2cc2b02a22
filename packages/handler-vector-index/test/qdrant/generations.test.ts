import { expect, test } from 'vitest'
import { pointId } from '../../src/qdrant/ids.js'
import { createRegistry } from '../../src/qdrant/registry.js'
import { batchOf, contentAt, documentAt } from '../documents.js'
import { openBuilding, signal } from './building-place.js'
import { openGate, openQdrantPlace } from './place.js'

test('a point has the UUIDv5 of its document, always the same', () => {
  // Python: uuid.uuid5(uuid.UUID('6f1d4c0e-5a7b-4e9c-8d2f-3a1b0c9e8d7f'), 'a document')
  expect(pointId('a document')).toBe(UUID_OF_A_DOCUMENT)
  expect(pointId('a document')).toMatch(
    /^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
  )
})
const UUID_OF_A_DOCUMENT = '6cdc06af-041a-515c-b95a-84d30eee596f'

test('an entry of the registry that is not one is said to be damaged, and the health check is none', async () => {
  const { store, registry, connection } = await openBuilding()
  await store.ping()
  expect(await store.collections()).toMatchObject([{ name: 'c', count: 2 }])
  const points = [{ id: pointId('c'), vector: {}, payload: { name: 'c', current: { number: 'one' } } }]
  await connection.call((api, init) =>
    api.upsertPoints({ collection_name: registry.collection, wait: true, points }, init),
  )
  const damaged = { name: 'NonRetryableError', code: 'STORE_CORRUPT' }
  await expect(store.describe('c')).rejects.toMatchObject(damaged)
  await expect(store.collections()).rejects.toMatchObject(damaged)
  expect(await store.describe('other')).toBeNull()
})

test('a change that was overtaken before it was looked at is known to have been made', async () => {
  const { registry, entry, connection } = await openBuilding()
  const before = await entry()
  let calls = 0
  const overtaken = createRegistry(
    async (work, given) => {
      const answer = await connection.call(work, given)
      if (calls++ > 0) return answer
      const now = await entry()
      expect(await registry.change(now, { ...now, waste: ['of another'] })).not.toBeNull()
      return answer
    },
    { prefix: 'mcp-worker', busyTimeoutMs: 10_000 },
  )
  expect(await overtaken.change(before, { ...before, waste: ['own'] })).toMatchObject({ waste: ['own'] })
  expect(await registry.change(before, { ...before, waste: ['late'] })).toBeNull()
  expect((await entry()).waste).toEqual(['of another'])
})

test('other programs find the current generation under one name, which is moved in one request', async () => {
  const { server, store, copy, generation, entry } = await openBuilding()
  const alias = 'mcp-worker.c'
  const before = (await entry()).current?.place
  expect(server.qdrant.collection(alias)).toBe(server.qdrant.collection(before ?? ''))
  await copy('a', 'b')
  expect(await store.promote('c', generation, { signal })).toBe('promoted')
  const after = (await entry()).current?.place
  expect(after).not.toBe(before)
  expect(server.qdrant.collection(alias)).toBe(server.qdrant.collection(after ?? ''))
  expect(server.requests.filter((request) => request === 'POST /collections/aliases')).toHaveLength(2)
  await store.drop('c', { signal })
  expect(server.qdrant.collection(alias)).toBeUndefined()
})

test('a promotion whose last steps were lost is finished by the next call, and purging points the name right', async () => {
  const { server, store, copy, generation, entry } = await openBuilding()
  await copy('a', 'b')
  server.fault({ on: /POST \/collections\/aliases/, fault: { kind: 'status', status: 400, error: 'lost' } })
  await expect(store.promote('c', generation, { signal })).rejects.toMatchObject({ code: 'STORE_REFUSED' })
  expect((await store.describe('c'))?.generation).toBe(generation)
  await store.purge(100, { signal })
  const now = (await entry()).current?.place ?? ''
  expect(server.qdrant.collection('mcp-worker.c')).toBe(server.qdrant.collection(now))
  expect(await store.promote('c', generation, { signal })).toBe('promoted')
})

test('copies of documents that were deleted meanwhile do not come back with the swap', async () => {
  const { store, copy, generation, server, entry } = await openBuilding()
  await copy('a', 'b')
  // as if the process that deleted it died before it deleted the copy
  const place = (await entry()).current?.place ?? ''
  await server.qdrant.collection(place)?.update([{ delete: { points: [pointId('a')] } }], () => {})
  expect(await store.promote('c', generation, { signal })).toBe('promoted')
  expect([...(await store.lookup('c', ['a', 'b'])).keys()]).toEqual(['b'])
})

test.each([
  ['before it makes room for its copies', 'PUT', 1],
  ['before it looks at the registry again', 'POST /collections/mcp-worker._registry/points', 2],
  ['before it looks at the copies', 'POST', 1],
  ['before it reads the originals', 'POST', 2],
  ['before it writes its copies', 'PUT', 2],
])(
  'who is stopped %s, and goes on after the swap, loses nothing and brings nothing back',
  async (_, method, nth) => {
    const { store, copy, generation, server } = await openBuilding()
    const { promise, resolve } = openGate()
    await copy('b')
    const stored = await store.lookup('c', ['a', 'b'])
    const documents = [...stored].map(([id, { revision }]) => ({ id, seen: revision, ...contentAt(id, [2]) }))
    const places = /mcp-worker\.c\.\d.*\/points$/
    const on = method.includes('/') ? new RegExp(`^${method}$`) : new RegExp(`^${method} .*${places.source}`)
    // the first so many go through
    for (let i = 1; i < nth; i++) server.fault({ on, fault: { kind: 'slow', until: Promise.resolve() } })
    server.fault({ on, fault: { kind: 'slow', until: promise } })
    const from = server.requests.length
    const stopped = store.writeBuild({ collection: 'c', generation, documents }, { signal })
    const sent = () =>
      server.requests.slice(from).filter((request) => on.test(request.replace(/\?.*/, ''))).length
    await expect.poll(sent).toBe(nth)
    const seen = stored.get('b')?.revision ?? null
    await store.write(batchOf([documentAt('b', [3], { seen })]), { signal })
    await copy('a', 'b')
    expect(await store.promote('c', generation, { signal })).toBe('promoted')
    await store.remove({ collection: 'c', which: { ids: ['a'] } }, 10, { signal })
    resolve()
    expect(await stopped).toMatchObject({ gone: true })
    const now = await store.lookup('c', ['a', 'b'])
    expect([...now.keys()]).toEqual(['b'])
    expect(now.get('b')?.revision).not.toBe(seen)
    expect(await store.describe('c')).toMatchObject({ count: 1, chunks: 1, generation })
    expect(await store.countTargets({ collection: 'c', which: { all: true } })).toBe(1)
    expect((await store.list({ collection: 'c', after: null, limit: 10 })).documents).toHaveLength(1)
    expect(await store.write(batchOf([documentAt('a', [1])]), { signal })).toEqual({ stale: new Set() })
  },
)

test('a slot that nobody filled is no document: not listed, counted, found or deleted, and in nobody’s way', async () => {
  const { store, server, entry, connection } = await openBuilding()
  const place = (await entry()).current?.place ?? ''
  const points = [{ id: pointId('slot'), vector: {}, payload: { slot: true, stamp: 1 } }]
  await connection.call((api, init) => api.upsertPoints({ collection_name: place, wait: true, points }, init))
  expect(server.qdrant.collection(place)?.points.size).toBe(3)
  expect(await store.describe('c')).toMatchObject({ count: 2, chunks: 2 })
  expect((await store.lookup('c', ['slot'])).size).toBe(0)
  expect((await store.list({ collection: 'c', after: null, limit: 10 })).documents).toHaveLength(2)
  const all = { collection: 'c', which: { all: true } } as const
  expect(await store.countTargets(all)).toBe(2)
  const question = { collection: 'c', vector: Float32Array.of(1, 0), k: 10, filter: { none: null } }
  expect(await store.search(question)).toHaveLength(2)
  expect(await store.write(batchOf([documentAt('slot', [1])]), { signal })).toEqual({ stale: new Set() })
  expect(await store.describe('c')).toMatchObject({ count: 3 })
  expect(await store.remove(all, 10, { signal })).toMatchObject({ documents: 3 })
})

test('a Qdrant collection that is gone is STORE_CORRUPT, and dropping mends it', async () => {
  const { store, server, entry } = await openBuilding()
  const place = (await entry()).current?.place ?? ''
  await server.qdrant.answer({
    method: 'DELETE',
    path: ['collections', place],
    body: null,
    wait: true,
    onPoint: () => {},
  })
  await expect(store.describe('c')).rejects.toMatchObject({
    name: 'NonRetryableError',
    code: 'STORE_CORRUPT',
  })
  await store.drop('c', { signal })
  expect(await store.describe('c')).toBeNull()
})

test('forgotten Qdrant collections and forsaken builds are purged after a day, those of others never', async () => {
  const { store, server, entry, registry } = await openBuilding()
  const make = (name: string, metadata: Record<string, unknown>) =>
    server.qdrant.answer({
      method: 'PUT',
      path: ['collections', name],
      body: { vectors: {}, metadata },
      wait: true,
      onPoint: () => {},
    })
  const own = { program: '@mcp-worker/handler-vector-index' }
  const yesterday = Date.now() - 2 * 86_400_000
  make('mcp-worker.c.9-old', { ...own, created_at: yesterday })
  make('mcp-worker.c.9-new', { ...own, created_at: Date.now() })
  make('mcp-worker.foreign', { created_at: yesterday })
  make('theirs', { ...own, created_at: yesterday })
  const old = await entry()
  if (old.building === null) throw new Error('expected a build')
  await registry.change(old, { ...old, building: { ...old.building, writtenAt: yesterday } })
  let purged = 0
  while ((await store.purge(100, { signal })) > 0) purged++
  expect(purged).toBe(2)
  expect(server.qdrant.names().toSorted()).toEqual(
    [
      'mcp-worker._registry',
      `${old.current?.place}`,
      'mcp-worker.c.9-new',
      'mcp-worker.foreign',
      'theirs',
    ].toSorted(),
  )
})

test('a document with more components than Qdrant stores in one point is refused by name, and nothing is sent', async () => {
  const { store, server } = await openQdrantPlace()
  await store.ping()
  const vector = new Float32Array(16_384).fill(1 / 128)
  const chunks = Array.from({ length: 64 }, () => ({ text: null, vector }))
  const document = documentAt('huge', [], { content: { contentHash: '', joints: null, chunks } })
  const sent = server.requests.length
  await expect(store.write({ ...batchOf([document]), dim: 16_384 }, { signal })).rejects.toMatchObject({
    name: 'NonRetryableError',
    code: 'DOCUMENT_TOO_LARGE',
    message: expect.stringContaining('huge'),
  })
  expect(server.requests).toHaveLength(sent)
})

test('the recall of an index that overlooks every fifth document is sampled as what it is', async () => {
  const { store } = await openQdrantPlace({ index: 'hnsw' }, { overlooks: 5 })
  await store.write(batchOf(Array.from({ length: 100 }, (_, i) => documentAt(`d${i}`, [i / 100]))), {
    signal,
  })
  const recall = await store.sampleRecall('c', { vectors: 100, k: 10 }, { signal })
  expect(recall).toBeGreaterThan(0.75)
  expect(recall).toBeLessThan(0.9)
})
