import { expect, test } from 'vitest'
import { batchOf, documentAt, numbered } from '../documents.js'
import { openBuilding, signal } from './building-place.js'
import { openGate } from './place.js'

test('a writer does not say that it is done while a generation is put in place, and begins again where one was', async () => {
  const { store, copy, registry, entry, server } = await openBuilding()
  await copy('a', 'b')
  const sealed = await registry.change(await entry(), { ...(await entry()), seal: 'somebody' })
  const seen = (await store.lookup('c', ['a'])).get('a')?.revision ?? null
  let answered = false
  const writing = store
    .write(batchOf([documentAt('a', [3], { seen })]), { signal })
    .finally(() => (answered = true))
  const asked = () => server.requests.length
  const from = asked()
  await expect.poll(asked).toBeGreaterThan(from + 3)
  expect(answered).toBe(false)
  if (sealed === null) throw new Error('expected the seal')
  const { current, building, waste } = sealed
  const waste2 = [...waste, current?.place ?? '']
  await registry.change(sealed, { ...sealed, current: building, building: null, seal: null, waste: waste2 })
  // it had waited before it wrote
  expect(await writing).toEqual({ stale: new Set() })
  const now = await store.search({
    collection: 'c',
    vector: Float32Array.of(Math.cos(3), Math.sin(3)),
    k: 1,
    filter: null,
  })
  expect(now).toMatchObject([{ id: 'a', score: expect.closeTo(1) }])
  expect((await store.describe('c'))?.generation).toBe(2)
})

test('a write that lands under a seal is stale when the other generation is current afterwards', async () => {
  const { store, copy, registry, entry, server } = await openBuilding()
  await copy('a', 'b')
  const seen = (await store.lookup('c', ['a'])).get('a')?.revision ?? null
  const { promise, resolve } = openGate()
  server.fault({ on: /points\/batch$/, fault: { kind: 'slow', until: promise } })
  const writing = store.write(batchOf([documentAt('a', [3], { seen })]), { signal })
  await expect.poll(() => server.requests.at(-1)).toContain('points/batch')
  const old = await entry()
  const sealed = await registry.change(old, { ...old, seal: 'somebody' })
  const looks = () =>
    server.requests.filter((request) => request === 'POST /collections/mcp-worker._registry/points').length
  const before = looks()
  resolve()
  // it looks at the registry again and again, and does not say that it is done
  await expect.poll(looks).toBeGreaterThan(before + 1)
  if (sealed === null) throw new Error('expected the seal')
  const waste = [...sealed.waste, sealed.current?.place ?? '']
  await registry.change(sealed, { ...sealed, current: sealed.building, building: null, seal: null, waste })
  expect(await writing).toEqual({ stale: new Set(['a']) })
  expect((await store.lookup('c', ['a'])).get('a')?.revision).toBe(seen)
})

test('what is written while a promotion has compared and not yet swapped is not lost', async () => {
  const { store, copy, server, generation } = await openBuilding()
  await copy('a', 'b')
  const seen = (await store.lookup('c', ['a'])).get('a')?.revision ?? null
  const { promise, resolve } = openGate()
  const on = /PUT .*_registry\/points/
  server.fault({ on, fault: { kind: 'slow', until: Promise.resolve() } })
  server.fault({ on, fault: { kind: 'slow', until: promise } })
  const written = () => server.requests.filter((request) => on.test(request)).length
  const before = written()
  const promoting = store.promote('c', generation, { signal })
  // the seal, then the swap
  await expect.poll(written).toBe(before + 2)
  const writing = store.write(batchOf([documentAt('a', [3], { seen })]), { signal })
  const asked = server.requests.length
  await expect.poll(() => server.requests.length).toBeGreaterThan(asked + 6)
  resolve()
  expect(await promoting).toBe('promoted')
  expect(await writing).toEqual({ stale: new Set() })
  const question = { collection: 'c', vector: Float32Array.of(Math.cos(3), Math.sin(3)), k: 1, filter: null }
  expect(await store.search(question)).toMatchObject([{ id: 'a', score: expect.closeTo(1) }])
})

test('a delete leaves alone what no longer matches when it gets there', async () => {
  const { store, server } = await openBuilding()
  const seen = async () => (await store.lookup('c', ['a'])).get('a')?.revision ?? null
  await store.write(batchOf([documentAt('a', [0], { seen: await seen(), metadata: '{"old":true}' })]), {
    signal,
  })
  const { promise, resolve } = openGate()
  server.fault({ on: /points\/delete$/, fault: { kind: 'slow', until: promise } })
  const target = { collection: 'c', which: { filter: { old: true } } } as const
  const removing = store.remove(target, 10, { signal })
  await expect.poll(() => server.requests.at(-1)).toContain('points/delete')
  const current = await seen()
  const update = store.write(batchOf([documentAt('a', [1], { seen: current, metadata: '{"old":false}' })]), {
    signal,
  })
  await update.finally(resolve)
  expect(await removing).toEqual({ documents: 0, chunks: 0 })
  expect((await store.lookup('c', ['a'])).get('a')?.metadata).toBe('{"old":false}')
})

test('the seal of a process that is gone is broken, and its promotion cannot happen any more', async () => {
  const { registry, entry } = await openBuilding()
  const old = await entry()
  const dead = await registry.change(old, { ...old, seal: 'dead' })
  if (dead === null) throw new Error('expected the seal')
  expect((await registry.waitUnsealed('c', signal))?.seal).toBeNull()
  expect(
    await registry.change(dead, { ...dead, current: dead.building, building: null, seal: null }),
  ).toBeNull()
  expect((await entry()).current?.number).toBe(1)
})

test('a writer that waits for a seal too long is STORE_BUSY, and its signal ends the wait', async () => {
  const { again, registry, entry } = await openBuilding()
  const old = await entry()
  await registry.change(old, { ...old, seal: 'somebody' })
  const impatient = await again({ busyTimeoutMs: 0 })
  await expect(impatient.write(batchOf(numbered(1)), { signal })).rejects.toMatchObject({
    code: 'STORE_BUSY',
  })
  const patient = await again()
  const abort = new AbortController()
  const writing = patient.write(batchOf(numbered(1)), { signal: abort.signal })
  abort.abort(new Error('cancelled by the test'))
  await expect(writing).rejects.toThrow('cancelled by the test')
})
