import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { openEmbedder } from '@mcp-worker/embedder'
import { createEmbedderEngine, embedderEngineOptions } from '@mcp-worker/handler-model-cache'
import { expect, onTestFinished, test } from 'vitest'
import { loadOptions, modelRef } from '../engine-suite.js'
import { engineThreads } from './worker-threads.js'

const never = new AbortController().signal
const oneRun = { runs: 1, maxMs: 60_000, signal: never }

function open(models: Record<string, unknown> = {}) {
  const options = embedderEngineOptions.parse({ models: { builtin: { engine: 'builtin' }, ...models } })
  const engine = createEmbedderEngine(options)
  onTestFinished(() => engine.close())
  return engine
}

async function openRemote(answer: Parameters<typeof createServer>[1]) {
  const server: Server = createServer(answer)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  const baseUrl = `http://127.0.0.1:${port}/v1`
  return { server, engine: open({ remote: { engine: 'openai', baseUrl, model: 'm', maxAttempts: 1 } }) }
}

const vectors = JSON.stringify({ data: [{ index: 0, embedding: [3, 4] }] })

test('gives in its thread the same vectors as in this one', async () => {
  const engine = open()
  const { embedder } = await engine.load(modelRef('builtin'), loadOptions())
  const own = await openEmbedder()
  const texts = Array.from({ length: 200 }, (_, index) => `document ${index} about the weather`)
  expect(await embedder?.embed(texts)).toEqual(await own.embed(texts))
  expect(embedder?.fingerprint).toEqual(own.fingerprint)
})

test('embeds several calls at the same time, each with its own answer', async () => {
  const { embedder } = await open().load(modelRef('builtin'), loadOptions())
  const calls = Array.from({ length: 20 }, async (_, index) => embedder?.embed([`text ${index}`]))
  const answers = await Promise.all(calls)
  expect(new Set(answers.map(String)).size).toBe(20)
})

test('passes on the errors of the embedder as they are', async () => {
  const { embedder } = await open().load(modelRef('builtin'), loadOptions())
  const own = await openEmbedder()
  const expected: unknown = await own.embed(['a', ' ']).catch((error: unknown) => error)
  await expect(embedder?.embed(['a', ' '])).rejects.toMatchObject({
    code: 'TEXT_EMPTY',
    textIndex: 1,
    message: (expected as Error).message,
  })
})

test('stops the requests of a call that is aborted', async () => {
  let requests = 0
  const held: Promise<unknown>[] = []
  const { engine, server } = await openRemote((_request, response) => {
    requests += 1
    if (requests === 1 || requests === 2) response.end(vectors)
    else held.push(once(response, 'close'))
  })
  const { embedder } = await engine.load(modelRef('remote'), loadOptions())
  const abort = new AbortController()
  const call = embedder?.embed(['held'], { signal: abort.signal })
  call?.catch(() => {})
  while (held.length === 0) await once(server, 'request')
  abort.abort(new Error('enough'))
  await expect(call).rejects.toThrow('enough')
  await Promise.all(held)
})

const answers = [
  [429, 'ENDPOINT_FAILED', true],
  [503, 'ENDPOINT_FAILED', true],
  [401, 'ENDPOINT_REFUSED', false],
] as const

test.each(answers)('classes what a server says at the load (HTTP %i)', async (status, code, retryable) => {
  const { engine } = await openRemote((_request, response) => {
    response.writeHead(status, { 'retry-after': '5' }).end('{}')
  })
  const retryAfterMs = retryable ? 5000 : null
  const load = engine.load(modelRef('remote'), loadOptions())
  await expect(load).rejects.toMatchObject({ code, retryable, retryAfterMs })
  expect(engineThreads()).toBe(0)
})

test('says of a server that is not there that it cannot be reached', async () => {
  const { engine, server } = await openRemote(() => {})
  server.close()
  await once(server, 'close')
  const load = engine.load(modelRef('remote'), loadOptions())
  await expect(load).rejects.toMatchObject({ code: 'ENDPOINT_UNREACHABLE', retryable: true })
})

test('refuses a digest of a model that is on a server', async () => {
  const { engine } = await openRemote(() => {})
  const model = modelRef('remote', `sha256:${'0'.repeat(64)}`)
  await expect(engine.estimate(model, never)).rejects.toMatchObject({ code: 'MODEL_UNSUPPORTED' })
})

test('warms with a prompt or texts, and refuses other inputs', async () => {
  const loaded = await open().load(modelRef('builtin'), loadOptions())
  expect((await loaded.warmup({ ...oneRun, prompt: 'Bonjour' })).runs).toBe(1)
  expect((await loaded.warmup({ ...oneRun, inputs: ['one', 'two'] })).runs).toBe(1)
  await expect(loaded.warmup({ ...oneRun, inputs: { a: 1 } })).rejects.toMatchObject({
    code: 'WARMUP_UNFIT',
  })
})

test('calls a load that needs more memory than its thread may have out of memory, and leaves no thread', async () => {
  const models = { builtin: { engine: 'builtin' } }
  const engine = createEmbedderEngine(embedderEngineOptions.parse({ models, threadMemoryMb: 8 }))
  onTestFinished(() => engine.close())
  const load = engine.load(modelRef('builtin'), loadOptions())
  await expect(load).rejects.toMatchObject({ code: 'OUT_OF_MEMORY', retryable: true })
  expect(engineThreads()).toBe(0)
})
