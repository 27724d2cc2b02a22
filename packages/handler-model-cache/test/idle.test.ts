import { expect, test } from 'vitest'
import { openCache } from './cache-harness.js'
import { settled } from './stepped-clock.js'

const MODELS = { a: 60, b: 60, c: 30 }

test('an idle model is unloaded after its keep_alive, each use starts it anew', async () => {
  const { preload, test: engine, clock, stateOf, use } = openCache(MODELS)
  const asked = preload('a', { keepAliveMs: 10_000 })
  await settled()
  engine.loads.of('a').resolve({})
  await asked
  await clock.step(9000)
  const using = await use('a')
  await clock.step(60_000)
  expect(stateOf('a')).toBe('ready')
  using.end()
  await settled()
  await clock.step(9999)
  expect(stateOf('a')).toBe('ready')
  await clock.step(1)
  expect(stateOf('a')).toBe('unloading')
})

test('keep_alive 0 unloads as soon as nobody uses it', async () => {
  const { preload, test: engine, clock, stateOf } = openCache(MODELS)
  const asked = preload('a', { keepAliveMs: 0 })
  await settled()
  engine.loads.of('a').resolve({})
  await expect(asked).resolves.toMatchObject({ how: 'loaded' })
  await clock.step(0)
  expect(stateOf('a')).toBe('unloading')
})

test('a pinned model outlives its keep_alive', async () => {
  const { preload, pin, test: engine, clock, stateOf } = openCache(MODELS)
  const asked = preload('a', { keepAliveMs: 1000 })
  await settled()
  engine.loads.of('a').resolve({})
  await asked
  pin('a')
  await clock.step(3_600_000)
  expect(stateOf('a')).toBe('ready')
  pin('a', false)
  await clock.step(0)
  expect(stateOf('a')).toBe('unloading')
})

test('the time on a shared endpoint is left to the endpoint, which sees the uses of others', async () => {
  const { preload, test: engine, clock, stateOf } = openCache(MODELS, { sharedEndpoint: true })
  const asked = preload('a', { keepAliveMs: 1000 })
  await settled()
  engine.loads.of('a').resolve({})
  await asked
  await clock.step(60_000)
  expect(stateOf('a')).toBe('ready')
})

test('a model that went for idleness is loaded for the time of the options the next time', async () => {
  const {
    preload,
    loadAll,
    test: engine,
    clock,
    stateOf,
  } = openCache(MODELS, {
    settings: { keepAliveMs: 60_000 },
  })
  const asked = preload('a', { keepAliveMs: 0 })
  await settled()
  engine.loads.of('a').resolve({})
  await asked
  await clock.step(0)
  engine.unloads.of('a').resolve()
  await settled()
  await loadAll('a')
  await clock.step(59_999)
  expect(stateOf('a')).toBe('ready')
  await clock.step(1)
  expect(stateOf('a')).toBe('unloading')
})
