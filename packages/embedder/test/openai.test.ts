import { afterEach, beforeEach, describe, expect, it } from 'vitest'
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

describe('a request', () => {
  it('goes to /embeddings under the base address with model, texts and key', async () => {
    const embedder = await open()
    await embedder.embed(['one', 'two'])
    expect(server.requests).toEqual([
      {
        url: '/v1/embeddings',
        authorization: `Bearer ${apiKey}`,
        body: { model: 'm', input: ['one', 'two'], encoding_format: 'float' },
      },
    ])
  })

  it('keeps the query string of the base address and takes a trailing slash', async () => {
    const embedder = await open({ baseUrl: `${server.baseUrl}/?api-version=2` })
    await embedder.embed(['one'])
    expect(server.requests[0]?.url).toBe('/v1/embeddings?api-version=2')
  })

  it('names the dimension only when told to', async () => {
    const embedder = await open({ sendDimension: true })
    await embedder.embed(['one'])
    expect(server.requests[0]?.body.dimensions).toBe(serverDimension)
  })

  it('is not sent for no texts, and a text of white space is refused before any is sent', async () => {
    const embedder = await open()
    expect(await embedder.embed([])).toEqual([])
    const error = await failureOf(embedder.embed(['one', ' \n']))
    expect(error).toMatchObject({ code: 'TEXT_EMPTY', retryable: false, textIndex: 1 })
    expect(server.requests).toHaveLength(0)
  })
})

describe('vectors', () => {
  it('come in the order of the texts and with unit length, whatever the order of the answer', async () => {
    server.faults.push({ kind: 'edit', edit: (data) => data.toReversed() })
    const texts = numbered(5)
    const embedder = await open()
    expect(await embedder.embed(texts)).toEqual(texts.map(unitVector))
  })

  it('come in the order of the texts when the first batch is held back', async () => {
    server.faults.push({ kind: 'hold' })
    const texts = numbered(6)
    const embedder = await open({ batchTexts: 2, concurrency: 3 })
    const vectors = embedder.embed(texts)
    await server.held(1)
    server.release()
    expect(await vectors).toEqual(texts.map(unitVector))
  })

  it('tell the dimension on opening if no option does', async () => {
    const embedder = await open({ dimension: undefined })
    expect(embedder.fingerprint).toEqual({
      name: 'openai/m',
      version: '1',
      dimension: serverDimension,
      assetHash: 'remote',
    })
    expect(server.requests).toHaveLength(1)
  })
})

describe('batches and limits', () => {
  it('hold at most batchTexts texts and batchCharacters characters', async () => {
    const embedder = await open({ batchTexts: 2, batchCharacters: 10, concurrency: 1 })
    await embedder.embed(['aa', 'bb', 'cc', 'a very long text', 'dddddd', 'eeeee'])
    const batches = server.requests.map(({ body }) => body.input)
    expect(batches).toEqual([['aa', 'bb'], ['cc'], ['a very long text'], ['dddddd'], ['eeeee']])
  })

  it('has at most `concurrency` requests under way, over all calls', async () => {
    server.faults.push({ kind: 'hold' }, { kind: 'hold' })
    const embedder = await open({ batchTexts: 1, concurrency: 2 })
    const calls = [embedder.embed(numbered(5)), embedder.embed(numbered(5))]
    await server.held(2)
    server.release()
    await Promise.all(calls)
    expect(server.requests).toHaveLength(10)
    expect(server.mostAtOnce).toBe(2)
  })

  it('starts requests evenly spaced when a rate is set', async () => {
    const embedder = await open({ batchTexts: 1, concurrency: 1, requestsPerMinute: 60 })
    await embedder.embed(numbered(4))
    expect(clock.sleeps).toEqual([1000, 1000, 1000])
  })

  it('keeps that rate over all calls and lanes, and while somebody sets the wall clock', async () => {
    const embedder = await open({ batchTexts: 1, concurrency: 3, requestsPerMinute: 60 })
    await Promise.all([embedder.embed(numbered(2)), embedder.embed(numbered(1))])
    clock.setWall(-86_400_000)
    await embedder.embed(numbered(1))
    expect(clock.sleeps).toEqual([1000, 1000, 1000])
  })
})

describe('an abort', () => {
  it('rejects with the reason of the signal and hangs up', async () => {
    server.faults.push({ kind: 'hold' })
    const embedder = await open()
    const controller = new AbortController()
    const reason = new Error('the task was cancelled')
    const call = embedder.embed(['one'], { signal: controller.signal })
    await server.held(1)
    controller.abort(reason)
    await expect(call).rejects.toBe(reason)
    await server.hungUp
  })

  it('ends the wait for a turn without a request', async () => {
    server.faults.push({ kind: 'hold' })
    const embedder = await open({ concurrency: 1 })
    const first = embedder.embed(['one'])
    await server.held(1)
    const controller = new AbortController()
    const second = embedder.embed(['two'], { signal: controller.signal })
    controller.abort(new Error('no longer wanted'))
    await expect(second).rejects.toThrow('no longer wanted')
    server.release()
    await first
    await embedder.embed(['three'])
    expect(server.requests.map(({ body }) => body.input)).toEqual([['one'], ['three']])
  })

  it('before the call sends nothing', async () => {
    const embedder = await open()
    await expect(embedder.embed(['one'], { signal: AbortSignal.abort(new Error('late')) })).rejects.toThrow(
      'late',
    )
    expect(server.requests).toHaveLength(0)
  })
})

describe('closing', () => {
  it('stops what is under way and refuses further calls', async () => {
    server.faults.push({ kind: 'hold' })
    const embedder = await open()
    const call = failureOf(embedder.embed(['one']))
    await server.held(1)
    await embedder.close?.()
    expect(await call).toMatchObject({ code: 'EMBEDDER_CLOSED' })
    expect(await failureOf(embedder.embed(['two']))).toMatchObject({ code: 'EMBEDDER_CLOSED' })
    await embedder.close?.()
  })
})
