import { expect, test } from 'vitest'
import { demandHealth, findStalls } from '../src/health.js'
import { createControlledEngine } from './controlled-engine.js'
import { openCache } from './cache-harness.js'
import { settled } from './stepped-clock.js'

const SETTINGS = { stallAfterMs: 60_000, roomWaitMs: 30_000 }
const MODELS = { a: 60, b: 60 }

test('an idle cache has no stall, however long it idles', async () => {
  const { cache, clock, loadAll } = openCache(MODELS)
  await clock.step(86_400_000)
  await loadAll('a')
  await clock.step(86_400_000)
  expect(findStalls(cache.entries(), clock, SETTINGS)).toEqual([])
})

test('a load that gives no sign for stallAfter is one, with its name and how long it has been silent', async () => {
  const { cache, clock, preload } = openCache(MODELS)
  void preload('a').catch(() => {})
  await settled()
  await clock.step(59_999)
  expect(findStalls(cache.entries(), clock, SETTINGS)).toEqual([])
  await clock.step(1)
  const stalls = findStalls(cache.entries(), clock, SETTINGS)
  expect(stalls).toEqual([{ what: 'loading of a by test', silentMs: 60_000 }])
  expect(() => demandHealth(stalls, [])).toThrow('loading of a by test: no sign of life for 60 s')
})

test('a load that reports bytes is none', async () => {
  const { cache, clock, preload, test: engine } = openCache(MODELS)
  const { engine: plain } = createControlledEngine(MODELS)
  const held: { report?: () => void } = {}
  engine.engine.load = (model, options) => {
    held.report = () => options.progress(1, 2)
    return plain.load(model, options)
  }
  void preload('a').catch(() => {})
  await settled()
  await clock.step(59_999)
  held.report?.()
  await clock.step(59_999)
  expect(findStalls(cache.entries(), clock, SETTINGS)).toEqual([])
  await clock.step(1)
  expect(findStalls(cache.entries(), clock, SETTINGS)).toHaveLength(1)
})

test('an unload that does not end is one', async () => {
  const { cache, clock, loadAll, evict } = openCache(MODELS)
  await loadAll('a')
  evict('a').catch(() => {})
  await settled()
  await clock.step(60_000)
  expect(findStalls(cache.entries(), clock, SETTINGS)).toMatchObject([{ what: 'unloading of a by test' }])
})

test('waiting for room is none within the time that it may take', async () => {
  const { cache, clock, loadAll, use, preload } = openCache(MODELS, { settings: { roomWaitMs: 30_000 } })
  await loadAll('a')
  await use('a')
  void preload('b').catch(() => {})
  await settled()
  await clock.step(29_000)
  expect(findStalls(cache.entries(), clock, { ...SETTINGS, stallAfterMs: 10_000 })).toEqual([])
})
