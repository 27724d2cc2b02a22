import { expect, test } from 'vitest'
import { createCatalog } from '../src/catalog.js'
import { createDeferred } from '../src/deferred.js'
import { createEmbedderService } from '../src/embedder-service.js'
import type { LoadedModel } from '../src/engine.js'
import { optionsSchema } from '../src/options.js'
import { openCache } from './cache-harness.js'
import { settled } from './stepped-clock.js'

const SERVER = { engine: 'openai', baseUrl: 'http://127.0.0.1:11434/v1', model: 'nomic' } as const

function openService({ limit }: { readonly limit?: number } = {}) {
  const harness = openCache(
    { builtin: 10, nomic: 10 },
    { name: 'embedder', automatic: true, ...(limit !== undefined && { limit }) },
  )
  const { test: engine, cache } = harness
  const held: { end?: () => void } = {}
  const plain = engine.engine.load.bind(engine.engine)
  engine.engine.load = async (model, options): Promise<LoadedModel> => ({
    ...(await plain(model, options)),
    embedder: {
      fingerprint: { name: 'words', version: '1', dimension: 2, assetHash: 'none' },
      embed: async (texts, { signal } = {}) => {
        await new Promise<void>((resolve, reject) => {
          held.end = resolve
          signal?.addEventListener('abort', () => reject(signal.reason as Error))
        })
        return texts.map(() => Float32Array.of(1, 0))
      },
    },
  })
  const options = optionsSchema.parse({
    embedder: { models: { builtin: { engine: 'builtin' }, nomic: SERVER } },
    warmupRuns: 0,
  })
  const catalog = createCatalog([engine.engine], options)
  const serve = createEmbedderService({ cache, catalog, embedders: options.embedder.models })
  const service = serve(new AbortController().signal)
  return { ...harness, serve, service, endEmbedding: () => held.end?.() }
}

test('an embedder is found by its options, whichever defaults are written out', async () => {
  const { service } = openService()
  expect(await service.find({ engine: 'builtin' })).toBe('builtin')
  expect(await service.find({ ...SERVER, concurrency: 4, batchTexts: 32 })).toBe('nomic')
  expect(await service.find({ ...SERVER, model: 'another' })).toBeNull()
})

test('describe loads it once, and then tells that it was there', async () => {
  const { service, test: engine, clock } = openService()
  const load = engine.engine.load
  engine.engine.load = async (model, options) => {
    await clock.step(250)
    return load(model, options)
  }
  expect(await service.describe('builtin')).toMatchObject({ dim: 2, loadMs: 250 })
  expect(await service.describe('builtin')).toMatchObject({ dim: 2, loadMs: 0 })
  expect(engine.loadsOf('builtin')).toBe(1)
})

test('while it embeds the model is in use, and unloaded only afterwards', async () => {
  const { service, evict, stateOf, endEmbedding, test: engine } = openService()
  await service.describe('builtin')
  const embedding = service.embed('builtin', ['a', 'b'])
  await settled()
  const gone = evict('builtin')
  await settled()
  expect([stateOf('builtin'), engine.log]).toEqual(['draining', ['load builtin']])
  endEmbedding()
  expect(await embedding).toHaveLength(2)
  expect(await gone).toBe('evicted')
})

test('a model that embeds nothing is a permanent fault, one that is missing too', async () => {
  const { service, test: engine } = openService()
  engine.state.estimateError = 'MODEL_NOT_FOUND'
  await expect(service.embed('builtin', ['a'])).rejects.toMatchObject({
    name: 'NonRetryableError',
    code: 'MODEL_NOT_FOUND',
  })
})

test('a call that nobody waits for any more ends: its load where nobody else waits for it, its embedding', async () => {
  const { serve, service, test: engine, stateOf } = openService()
  const load = engine.engine.load
  const loading = createDeferred<void>()
  engine.engine.load = async (model, options) => {
    loading.resolve()
    await new Promise((_resolve, reject) => {
      options.signal.addEventListener('abort', () => reject(options.signal.reason as Error))
    })
    return load(model, options)
  }
  const caller = new AbortController()
  const reason = new Error('enough')
  const describing = serve(caller.signal).describe('builtin')
  await loading.promise
  caller.abort(reason)
  await expect(describing).rejects.toBe(reason)
  await expect.poll(() => stateOf('builtin')).not.toBe('loading')
  engine.engine.load = load
  await service.describe('builtin')
  const another = new AbortController()
  const embedding = serve(another.signal).embed('builtin', ['a'])
  await settled()
  another.abort(reason)
  await expect(embedding).rejects.toBe(reason)
})

test('an embedder without room is a retryable fault that says what is in the way', async () => {
  const { service, pin, test: engine } = openService({ limit: 15 })
  await service.describe('nomic')
  pin('nomic')
  await expect(service.describe('builtin')).rejects.toMatchObject({
    name: 'RetryableError',
    code: 'NO_ROOM',
    message: expect.stringContaining('got a refusal: pinned'),
  })
  expect(engine.loadsOf('builtin')).toBe(0)
})
