import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openEmbedder } from '../src/open-embedder.js'
import type { OpenAiOptions } from '../src/options.js'
import { type EmbeddingServer, serverDimension, startEmbeddingServer } from './embedding-server.js'
import { createInstantClock, type InstantClock } from './instant-clock.js'
import { apiKey, failureOf, numbered, openOn, unitVector } from './openai.fixture.js'

let server: EmbeddingServer
let clock: InstantClock

beforeEach(async () => {
  server = await startEmbeddingServer()
  clock = createInstantClock()
})

afterEach(async () => {
  await server[Symbol.asyncDispose]()
})

const open = (options?: Partial<OpenAiOptions>) => openOn(server, clock, options)

describe('what may succeed later', () => {
  it('is tried again after the seconds that Retry-After gives', async () => {
    server.faults.push({ kind: 'status', status: 429, headers: { 'retry-after': '7' } })
    const embedder = await open()
    expect(await embedder.embed(['one'])).toEqual(['one'].map(unitVector))
    expect(clock.sleeps).toEqual([7000])
  })

  it('is tried again at the date that Retry-After gives', async () => {
    const date = new Date(clock.now() + 9000).toUTCString()
    server.faults.push({ kind: 'status', status: 503, headers: { 'retry-after': date } })
    const embedder = await open()
    await embedder.embed(['one'])
    expect(clock.sleeps).toEqual([9000])
  })

  it('is tried again with a growing random wait without Retry-After', async () => {
    server.faults.push({ kind: 'status', status: 500 }, { kind: 'status', status: 502 }, { kind: 'drop' })
    const embedder = await open()
    expect(await embedder.embed(['one'])).toEqual(['one'].map(unitVector))
    expect(clock.sleeps).toEqual([250, 500, 1000])
  })

  it('includes a connection lost in the middle of the answer, and JSON cut short', async () => {
    server.faults.push({ kind: 'drop-mid-body' }, { kind: 'body', body: '{"data": [{"ind' })
    const embedder = await open()
    expect(await embedder.embed(['one'])).toEqual(['one'].map(unitVector))
    expect(server.requests).toHaveLength(3)
  })

  it('repeats only the batch that failed', async () => {
    server.faults.push({ kind: 'status', status: 500 })
    const embedder = await open({ batchTexts: 1, concurrency: 1 })
    await embedder.embed(['one', 'two'])
    expect(server.requests.map(({ body }) => body.input[0])).toEqual(['one', 'one', 'two'])
  })

  it('ends with the last error after maxAttempts tries', async () => {
    server.faults.push(
      { kind: 'status', status: 500 },
      { kind: 'status', status: 503, body: 'still loading' },
    )
    const embedder = await open({ maxAttempts: 2 })
    const error = await failureOf(embedder.embed(['one']))
    expect(error).toMatchObject({ code: 'ENDPOINT_FAILED', retryable: true })
    expect(error.message).toContain('HTTP 503: still loading')
    expect(server.requests).toHaveLength(2)
  })

  it('ends at once when the server asks for a longer wait than maxRetryWaitMs, and says how long', async () => {
    server.faults.push({ kind: 'status', status: 429, headers: { 'retry-after': '3600' } })
    const embedder = await open()
    const error = await failureOf(embedder.embed(['one']))
    expect(error).toMatchObject({ code: 'RATE_LIMITED', retryable: true, retryAfterMs: 3_600_000 })
    expect(server.requests).toHaveLength(1)
  })

  it('includes a server that does not answer in time', async () => {
    server.faults.push({ kind: 'hold' })
    const embedder = await open({ requestTimeoutMs: 30, maxAttempts: 1 })
    const error = await failureOf(embedder.embed(['one']))
    expect(error).toMatchObject({ code: 'REQUEST_TIMEOUT', retryable: true })
    await server.hungUp
  })

  it('includes an answer that does not end in time', async () => {
    server.faults.push({ kind: 'stall-mid-body' })
    const embedder = await open({ requestTimeoutMs: 30, maxAttempts: 1 })
    const error = await failureOf(embedder.embed(['one']))
    expect(error).toMatchObject({ code: 'REQUEST_TIMEOUT', retryable: true })
  })

  it('is not tried before the time that the server asked for, by the system clock', async () => {
    server.faults.push({ kind: 'status', status: 429, headers: { 'retry-after': '0.2' } })
    const { baseUrl } = server
    const embedder = await openEmbedder({ engine: 'openai', baseUrl, model: 'm', dimension: serverDimension })
    const before = performance.now()
    expect(await embedder.embed(['one'])).toEqual(['one'].map(unitVector))
    expect(performance.now() - before).toBeGreaterThanOrEqual(199)
    expect(server.requests).toHaveLength(2)
  })

  it('includes a server that is not there', async () => {
    await server[Symbol.asyncDispose]()
    const embedder = await open({ maxAttempts: 2 })
    const error = await failureOf(embedder.embed(['one']))
    expect(error).toMatchObject({ code: 'ENDPOINT_UNREACHABLE', retryable: true })
    expect(error.message).toContain('ECONNREFUSED')
    expect(clock.sleeps).toHaveLength(1)
  })
})

describe('what cannot succeed later', () => {
  it.each([
    { why: 'a refused key', status: 401, body: '', code: 'REQUEST_REFUSED' },
    { why: 'an unknown model', status: 404, body: 'no such model', code: 'REQUEST_REFUSED' },
    { why: 'a redirect', status: 301, body: '', code: 'REQUEST_REFUSED' },
    {
      why: 'an empty account',
      status: 429,
      body: '{"error":{"code":"insufficient_quota"}}',
      code: 'QUOTA_EXHAUSTED',
    },
  ])('is not tried again: $why', async ({ status, body, code }) => {
    server.faults.push({ kind: 'status', status, body })
    const embedder = await open()
    expect(await failureOf(embedder.embed(['one']))).toMatchObject({ code, retryable: false })
    expect(server.requests).toHaveLength(1)
  })

  it('is a vector of another dimension', async () => {
    const embedder = await open({ dimension: 16 })
    const error = await failureOf(embedder.embed(['one']))
    expect(error).toMatchObject({ code: 'DIMENSION_MISMATCH', retryable: false })
    expect(error.message).toContain('expected vectors of 16 components, got one of 8')
  })

  it('is an answer with too few vectors, too many, twice the same, or one for no text', async () => {
    server.faults.push(
      { kind: 'edit', edit: (data) => data.slice(1) },
      { kind: 'edit', edit: (data) => [...data, ...data] },
      { kind: 'edit', edit: ([first]) => [first, first] },
      { kind: 'edit', edit: (data) => data.map((item) => ({ ...item, index: item.index + 1 })) },
    )
    const embedder = await open()
    for (const problem of [
      'expected 2 vectors, got 1',
      'expected 2 vectors, got 4',
      'got two',
      'from 0 to 1, got 2',
    ]) {
      const error = await failureOf(embedder.embed(['one', 'two']))
      expect(error).toMatchObject({ code: 'RESPONSE_INVALID', retryable: false })
      expect(error.message).toContain(problem)
    }
  })

  it('is a vector that cannot have unit length, or is none', async () => {
    const zero = Array.from({ length: serverDimension }, () => 0)
    const embeddings = [zero, [...zero.slice(1), null], 'AAAA', undefined]
    const embedder = await open()
    for (const embedding of embeddings) {
      server.faults.push({ kind: 'edit', edit: (data) => data.map((item) => ({ ...item, embedding })) })
      expect(await failureOf(embedder.embed(['one']))).toMatchObject({ code: 'RESPONSE_INVALID' })
    }
  })

  it.each(['1e999', '-1e999', '1e39', 'NaN', 'Infinity', '-Infinity'])(
    'is a vector with %s, which is no finite float32',
    async (number) => {
      const numbers = [number, ...Array.from({ length: serverDimension - 1 }, () => '0.5')].join(', ')
      const item = `{"object": "embedding", "index": 0, "embedding": [${numbers}]}`
      server.faults.push({ kind: 'body', body: `{"object": "list", "data": [${item}]}` })
      const embedder = await open()
      const error = await failureOf(embedder.embed(['one']))
      expect(error).toMatchObject({ code: 'RESPONSE_INVALID', retryable: false })
      expect(error.message).toContain('expected finite numbers')
      expect(server.requests).toHaveLength(1)
    },
  )

  it('is JSON that is no answer of this API', async () => {
    const embedder = await open()
    for (const body of ['null', '[]', '{"data": {}}']) {
      server.faults.push({ kind: 'body', body })
      expect(await failureOf(embedder.embed(['one']))).toMatchObject({ code: 'RESPONSE_INVALID' })
    }
  })

  it('stops the other batches of the call', async () => {
    server.faults.push({ kind: 'hold' }, { kind: 'status', status: 400 })
    const embedder = await open({ batchTexts: 1, concurrency: 2 })
    expect(await failureOf(embedder.embed(numbered(10)))).toMatchObject({ code: 'REQUEST_REFUSED' })
    await server.hungUp
    expect(server.requests).toHaveLength(2)
  })
})

describe('the API key', () => {
  it('is in no message, even if the server repeats it', async () => {
    server.faults.push(
      { kind: 'status', status: 401, body: `wrong key: ${apiKey}` },
      { kind: 'body', body: `<html>${apiKey}` },
    )
    const embedder = await open({ maxAttempts: 1 })
    for (let round = 0; round < 2; round += 1) {
      const error = await failureOf(embedder.embed(['one']))
      expect(error.message).toContain('[redacted]')
      expect(`${error.stack} ${String(error.cause)}`).not.toContain(apiKey)
    }
  })
})
