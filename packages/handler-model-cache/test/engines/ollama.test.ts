import { expect, test } from 'vitest'
import { loadOptions, modelRef } from '../engine-suite.js'
import { embeddingDimension } from '../ollama-server.js'
import { openOllama } from './ollama.fixture.js'

const never = new AbortController().signal
const oneRun = { runs: 1, maxMs: 60_000, signal: never }
const llama = modelRef('llama3.2')
const nomic = modelRef('nomic-embed-text')

test('loads with an empty generate, for as long as it is wanted', async () => {
  const { server, engine } = await openOllama()
  await engine.load(llama, loadOptions({ keepAliveMs: null }))
  await engine.load(modelRef('qwen3:4b'), loadOptions({ keepAliveMs: 90_000 }))
  await engine.load(modelRef('slow'), loadOptions({ keepAliveMs: 0 }))
  const generates = server.received.filter(({ path }) => path === '/api/generate').map(({ body }) => body)
  expect(generates).toEqual([
    { model: 'llama3.2:latest', stream: false, keep_alive: -1, options: {} },
    { model: 'qwen3:4b', stream: false, keep_alive: '90000ms', options: {} },
    // 0 would be an unload
    { model: 'slow:latest', stream: false, keep_alive: '1000ms', options: {} },
  ])
})

test('asks the server to keep a model for 30 days, and for ever where it could not count so long', async () => {
  const { server, engine } = await openOllama()
  await engine.load(llama, loadOptions({ keepAliveMs: 30 * 86_400_000 }))
  // more than 2^63 nanoseconds, which the server refuses
  await engine.load(modelRef('slow'), loadOptions({ keepAliveMs: 999_999_999 * 86_400_000 }))
  const generates = server.received.filter(({ path }) => path === '/api/generate')
  expect(generates.map(({ body }) => body['keep_alive'])).toEqual(['2592000000ms', -1])
})

test('keeps the keep-alive at a warmup, which the server would set to its default otherwise', async () => {
  const { server, engine } = await openOllama()
  const loaded = await engine.load(llama, loadOptions({ keepAliveMs: null }))
  await loaded.warmup({ ...oneRun, prompt: 'Bonjour' })
  const { body } = server.received.findLast(({ path }) => path === '/api/generate') ?? {}
  expect(body).toMatchObject({ prompt: 'Bonjour', keep_alive: -1, options: { num_predict: 1 } })
})

test('says of a model that the server held already that it was there', async () => {
  const { server, engine } = await openOllama()
  expect((await engine.load(llama, loadOptions())).wasThere).toBe(false)
  server.loaded.add('slow:latest')
  expect((await engine.load(modelRef('slow'), loadOptions())).wasThere).toBe(true)
})

test('measures what the server says that the model takes', async () => {
  const { engine } = await openOllama()
  const loaded = await engine.load(llama, loadOptions())
  expect(loaded.measuredBytes).toBe(2 ** 30)
})

test('estimates weights, key-value cache and buffers, and of a model that is there its real size', async () => {
  const { server, engine } = await openOllama()
  // 2 (keys and values) x 4 layers x 4 heads x 32 wide x 2048 tokens x 2 bytes
  const cacheBytes = 2 * 4 * 4 * 32 * 2048 * 2
  const { bytes } = await engine.estimate(llama, never)
  expect(bytes).toBe(Math.ceil(2 ** 30 * 1.1 + cacheBytes + 256 * 2 ** 20))
  server.loaded.add('llama3.2:latest')
  expect((await engine.estimate(llama, never)).bytes).toBe(2 ** 30)
})

test('loads a model that only embeds by embedding, and gives its face', async () => {
  const { server, engine } = await openOllama()
  const { embedder } = await engine.load(nomic, loadOptions())
  expect(server.received.some(({ path }) => path === '/api/generate')).toBe(false)
  expect(embedder?.fingerprint).toEqual({
    name: 'ollama/nomic-embed-text',
    version: '1',
    dimension: embeddingDimension,
    assetHash: 'd'.repeat(64),
  })
  const texts = Array.from({ length: 150 }, (_, index) => `text ${index}`)
  const vectors = (await embedder?.embed(texts)) ?? []
  expect(vectors).toHaveLength(150)
  for (const vector of vectors) expect(Math.hypot(...vector)).toBeCloseTo(1, 5)
  expect(new Set(vectors.map(String)).size).toBe(150)
  await expect(embedder?.embed(['word', ' \n'])).rejects.toMatchObject({ code: 'TEXT_EMPTY', textIndex: 1 })
})

test('warms a model that embeds by embedding', async () => {
  const { server, engine } = await openOllama()
  const loaded = await engine.load(nomic, loadOptions())
  await loaded.warmup({ ...oneRun, runs: 2, inputs: ['one', 'two'] })
  const inputs = server.received.filter(({ path }) => path === '/api/embed').map(({ body }) => body['input'])
  expect(inputs).toEqual([['dimension'], ['one'], ['two']])
})

const answers = [
  [
    'a busy server',
    503,
    'server busy, please try again.  maximum pending requests exceeded',
    'ENDPOINT_FAILED',
    true,
  ],
  ['too many requests', 429, 'slow down', 'ENDPOINT_FAILED', true],
  ['an inner error', 500, 'something went wrong', 'ENDPOINT_FAILED', true],
  [
    'no memory of the system',
    500,
    'model requires more system memory (9.1 GiB) than is available (4.0 GiB)',
    'OUT_OF_MEMORY',
    true,
  ],
  [
    'no memory of the GPU',
    500,
    'llama-server process has terminated: cudaMalloc failed: out of memory',
    'OUT_OF_MEMORY',
    true,
  ],
  ['a dead runner', 500, 'llama-server process has terminated: signal: killed', 'MODEL_GONE', true],
  ['a broken file', 500, 'error loading model: invalid magic', 'MODEL_CORRUPT', false],
  ['a refused key', 401, 'unauthorized', 'ENDPOINT_REFUSED', false],
  ['a refused option', 400, '"llama3.2" does not support generate', 'MODEL_UNSUPPORTED', false],
  ['a model that has just been removed', 404, "model 'llama3.2' not found", 'MODEL_NOT_FOUND', false],
] as const

test.each(answers)('classes %s at a load (HTTP %i)', async (_what, status, error, code, retryable) => {
  const { server, engine } = await openOllama()
  server.faults.push({ path: '/api/generate', kind: 'status', status, error })
  await expect(engine.load(llama, loadOptions())).rejects.toMatchObject({ code, retryable })
  expect(server.heldBytes()).toBe(0)
})

test('passes on when to come again', async () => {
  const { server, engine } = await openOllama()
  const headers = { 'retry-after': '7' }
  server.faults.push({ path: '/api/tags', kind: 'status', status: 503, error: 'busy', headers })
  await expect(engine.estimate(llama, never)).rejects.toMatchObject({
    code: 'ENDPOINT_FAILED',
    retryAfterMs: 7000,
  })
})

test('is refused by a server that is full, and leaves nothing there', async () => {
  const { server, engine } = await openOllama()
  server.capacity = 1.5 * 2 ** 30
  await engine.load(llama, loadOptions())
  await expect(engine.load(modelRef('qwen3:4b'), loadOptions())).rejects.toMatchObject({
    code: 'ENDPOINT_FAILED',
  })
  expect([...server.loaded]).toEqual(['llama3.2:latest'])
})

test('unloads what a dropped connection may have left in memory', async () => {
  const { server, engine } = await openOllama()
  server.loaded.add('slow:latest')
  server.faults.push(
    { path: '/api/ps', kind: 'body', body: '{"models":[]}' },
    { path: '/api/generate', kind: 'drop' },
  )
  await expect(engine.load(modelRef('slow'), loadOptions())).rejects.toMatchObject({
    code: 'ENDPOINT_UNREACHABLE',
    retryable: true,
  })
  expect(server.heldBytes()).toBe(0)
})

test('unloads what the server goes on loading after an abort', async () => {
  const { server, engine } = await openOllama()
  const abort = new AbortController()
  server.faults.push({ path: '/api/generate', kind: 'hold', goesOn: true })
  const loading = engine.load(modelRef('slow'), loadOptions({ signal: abort.signal }))
  loading.catch(() => {})
  await server.held(1)
  abort.abort(new Error('enough'))
  await server.hungUp
  server.release()
  await expect(loading).rejects.toThrow('enough')
  expect(server.heldBytes()).toBe(0)
})

test('leaves what somebody else had loaded when its own load is aborted', async () => {
  const { server, engine } = await openOllama()
  server.loaded.add('slow:latest')
  const abort = new AbortController()
  server.faults.push({ path: '/api/generate', kind: 'hold' })
  const loading = engine.load(modelRef('slow'), loadOptions({ signal: abort.signal }))
  loading.catch(() => {})
  await server.held(1)
  abort.abort(new Error('enough'))
  await expect(loading).rejects.toThrow('enough')
  expect([...server.loaded]).toEqual(['slow:latest'])
})

test('waits with an unload until the server lists the model no more', async () => {
  const { server, engine } = await openOllama()
  server.lingering = 3
  const loaded = await engine.load(llama, loadOptions())
  await loaded.unload(never)
  expect(server.heldBytes()).toBe(0)
})

test('says of an unload that the server does not do that it failed, and can be asked again', async () => {
  const { server, engine } = await openOllama({ unloadTimeout: '250ms' })
  const loaded = await engine.load(llama, loadOptions())
  server.lingering = 1_000_000
  await expect(loaded.unload(never)).rejects.toMatchObject({ code: 'UNLOAD_FAILED', retryable: true })
  server.lingering = 0
  await loaded.unload(never)
  expect(server.heldBytes()).toBe(0)
})

test('says of a server that is not there that it cannot be reached', async () => {
  const { server, engine } = await openOllama()
  await server.stop()
  const expected = { code: 'ENDPOINT_UNREACHABLE', retryable: true }
  await expect(engine.estimate(llama, never)).rejects.toMatchObject(expected)
  await expect(engine.load(llama, loadOptions())).rejects.toMatchObject(expected)
  await expect(engine.observe?.(never)).rejects.toMatchObject(expected)
})

test('gives a run up at the time limit, and says so where none was done', async () => {
  const { server, engine } = await openOllama()
  const loaded = await engine.load(llama, loadOptions())
  server.faults.push({ path: '/api/generate', kind: 'hold' })
  await expect(loaded.warmup({ ...oneRun, maxMs: 50 })).rejects.toMatchObject({ code: 'WARMUP_TIMEOUT' })
})

test('says of a run that fails that the warmup failed, and when to come again', async () => {
  const { server, engine } = await openOllama()
  const loaded = await engine.load(llama, loadOptions())
  const headers = { 'retry-after': '3' }
  server.faults.push({ path: '/api/generate', kind: 'status', status: 429, error: 'later', headers })
  await expect(loaded.warmup(oneRun)).rejects.toMatchObject({ code: 'WARMUP_FAILED', retryAfterMs: 3000 })
  await expect(loaded.warmup({ ...oneRun, inputs: [1] })).rejects.toMatchObject({
    code: 'WARMUP_UNFIT',
    retryable: false,
  })
})

test('observes what is there by the names that the cache has for them', async () => {
  const { server, engine } = await openOllama()
  server.loaded.add('qwen3:4b')
  await engine.load(modelRef('llama3.2:latest'), loadOptions())
  server.loaded.add('slow:latest')
  const observed = await engine.observe?.(never)
  expect(observed?.map(({ modelId }) => modelId)).toEqual(['llama3.2:latest', 'qwen3:4b', 'slow'])
  expect(observed?.[0]).toEqual({ modelId: 'llama3.2:latest', revision: null, bytes: 2 ** 30, idleMs: null })
})

test('refuses an answer that is not one of Ollama', async () => {
  const { server, engine } = await openOllama()
  server.faults.push({ path: '/api/tags', kind: 'body', body: '<html>It works!</html>' })
  await expect(engine.estimate(llama, never)).rejects.toMatchObject({ code: 'ENDPOINT_FAILED' })
})

test('sends the key and shows it to nobody', async () => {
  const { server, engine } = await openOllama({ apiKey: 'sk-secret' })
  await engine.estimate(llama, never)
  expect(server.received[0]?.authorization).toBe('Bearer sk-secret')
  server.faults.push({ path: '/api/tags', kind: 'status', status: 401, error: 'bad key sk-secret' })
  const error = await engine.estimate(llama, never).catch((refused: unknown) => refused)
  expect(String(error)).toContain('[redacted]')
  expect(String(error)).not.toContain('sk-secret')
})
