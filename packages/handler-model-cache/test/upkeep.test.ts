import type { InstrumentSpec, PluginLog, PluginMetrics } from '@mcp-worker/runtime'
import { expect, onTestFinished, test } from 'vitest'
import { createDeferred } from '../src/deferred.js'
import { ModelError, type ModelErrorCode } from '../src/errors.js'
import { openModelCache } from '../src/open-cache.js'
import { optionsSchema } from '../src/options.js'
import { createControlledEngine } from './controlled-engine.js'
import { createSteppedClock, settled } from './stepped-clock.js'

const EVERY_MS = 30_000
const MODELS = { a: 60, b: 30, c: 60 }

/** An opened cache over a shared endpoint on stepped time, its log and gauges; `started` resolves when its warm list is loaded. */
function open(warm: readonly string[], limitMb?: number, estimateError: ModelErrorCode | null = null) {
  const clock = createSteppedClock()
  const sizes = Object.fromEntries(Object.entries(MODELS).map(([name, size]) => [name, size * 2 ** 20]))
  const engine = createControlledEngine(sizes, { pool: 'shared', sharedEndpoint: true })
  engine.state.estimateError = estimateError
  const looks = { count: 0 }
  engine.engine.observe = async () => {
    looks.count += 1
    return [...engine.memory].map(([modelId, bytes]) => ({ modelId, revision: null, bytes, idleMs: null }))
  }
  const giveUp = new AbortController()
  const lines: unknown[][] = []
  const gauges = new Map<string, number>()
  const options = optionsSchema.parse({
    defaultEngine: 'test',
    warmupRuns: 0,
    warm,
    minResidency: '0s',
    ...(limitMb !== undefined && { endpointMemoryLimitMb: limitMb }),
  })
  const started = openModelCache({
    options,
    engines: [engine.engine],
    log: recordingLog(lines),
    metrics: recordingMetrics(gauges),
    signal: giveUp.signal,
    clock,
  })
  started.catch(() => {})
  onTestFinished(async () => {
    giveUp.abort(new Error('the test is over'))
    await started.then((cache) => cache.close()).catch(() => {})
  })
  return { clock, engine, looks, lines, gauges, started }
}

function recordingLog(lines: unknown[][]): PluginLog {
  const note = (level: string) => (event: string, fields?: object) => void lines.push([level, event, fields])
  return { debug: () => {}, info: note('info'), warn: note('warn'), error: note('error') }
}

function recordingMetrics(gauges: Map<string, number>): PluginMetrics {
  return {
    counter: () => ({ inc: () => {} }),
    gauge: ({ name }: InstrumentSpec<string>) => ({ set: (value: number) => void gauges.set(name, value) }),
    histogram: () => ({ observe: () => {} }),
  }
}

test('the endpoint is looked at on time while a lost warm model is loaded again', async () => {
  const { clock, engine, looks, started } = open(['a', 'b'])
  await settled()
  for (const name of ['a', 'b']) engine.loads.of(name).resolve({})
  const { cache } = await started
  const stateOf = (name: string) => [...cache.entries()].find(({ model }) => model.modelId === name)?.state
  await clock.step(EVERY_MS)
  engine.memory.delete('a')
  await clock.step(EVERY_MS)
  expect(stateOf('a')).toBe('loading')
  const before = looks.count
  await clock.step(3 * EVERY_MS)
  expect(looks.count - before).toBe(3)
  // the other one is noticed and loaded while the first is still under way, which is asked for once
  engine.memory.delete('b')
  await clock.step(EVERY_MS)
  expect([stateOf('a'), stateOf('b'), engine.loadsOf('a')]).toEqual(['loading', 'loading', 2])
})

test('a warm model that cannot be loaded again makes health bad, is logged and counted until it is there', async () => {
  const { clock, engine, lines, gauges, started } = open(['a'])
  await settled()
  engine.loads.of('a').resolve({})
  const opened = await started
  await clock.step(EVERY_MS)
  expect([gauges.get('warm_missing'), lines]).toEqual([0, []])
  expect(() => opened.checkHealth()).not.toThrow()
  engine.memory.delete('a')
  engine.state.estimateError = 'ENDPOINT_FAILED'
  await clock.step(EVERY_MS)
  expect(gauges.get('warm_missing')).toBe(1)
  expect(() => opened.checkHealth()).toThrow('a of the warm list is not in memory: expected a good a')
  const failed = ['warn', 'model_warm_failed', { what: 'a', error: expect.stringContaining('a good a') }]
  expect(lines).toContainEqual(failed)
  engine.state.estimateError = null
  await clock.step(EVERY_MS)
  engine.loads.of('a').resolve({})
  await clock.step(2000)
  expect([gauges.get('warm_missing'), opened.checkHealth()]).toEqual([0, undefined])
})

test('a warm list that does not fit ends the start as soon as nothing of it is under way any more', async () => {
  const { clock, engine, lines, started } = open(['a', 'c'], 100)
  await settled()
  expect(engine.loads.open.map(({ modelId }) => modelId)).toEqual(['a'])
  await clock.step(5000)
  expect(lines).toEqual([
    ['warn', 'model_warm_failed', { what: 'c', error: expect.stringContaining('refusal: rule') }],
  ])
  engine.loads.of('a').resolve({})
  await clock.step(1000)
  await expect(started).rejects.toThrow('c: expected room for c, got a refusal: rule')
})

test('a warm model that fits once another one was measured is loaded after it', async () => {
  const { clock, engine, started } = open(['a', 'c'], 100)
  await settled()
  engine.loads.of('a').resolve({ bytes: 30 * 2 ** 20 })
  await clock.step(1000)
  engine.loads.of('c').resolve({})
  const { cache } = await started
  expect([...cache.entries()].map(({ state }) => state)).toEqual(['ready', 'ready'])
})

test('a start that waits for its warm list says what for, once for each reason', async () => {
  const { clock, engine, lines, started } = open(['a'], undefined, 'ENDPOINT_UNREACHABLE')
  await clock.step(10_000)
  expect(lines).toMatchObject([['warn', 'model_warm_failed', { what: 'a' }]])
  engine.state.estimateError = 'ENDPOINT_FAILED'
  await clock.step(100_000)
  expect(lines).toHaveLength(2)
  engine.state.estimateError = null
  await clock.step(60_000)
  engine.loads.of('a').resolve({})
  await started
  expect(lines).toHaveLength(2)
})

test('what could not be asked is logged, and asked again at the next time', async () => {
  const { clock, engine, lines, started } = open(['a'])
  await settled()
  engine.loads.of('a').resolve({})
  await started
  const error = new ModelError('ENDPOINT_FAILED', 'expected an answer, got none')
  engine.engine.observe = () => Promise.reject(error)
  await clock.step(2 * EVERY_MS)
  const line = ['warn', 'model_reconcile_failed', { what: 'test:test', error: error.message }]
  expect(lines).toEqual([line, line])
})

test('an endpoint that keeps the look waiting keeps no lost model from being loaded again, and is asked once', async () => {
  const { clock, engine, looks, started } = open(['a', 'b'])
  await settled()
  for (const name of ['a', 'b']) engine.loads.of(name).resolve({})
  const { cache } = await started
  const answering = createDeferred<void>()
  const observe = engine.engine.observe
  engine.engine.observe = async (within) => {
    const answer = (await observe?.(within)) ?? []
    await answering.promise
    return answer
  }
  await clock.step(EVERY_MS)
  const before = looks.count
  // its process died: noticed without a look
  engine.kill('a')
  await clock.step(EVERY_MS)
  expect([engine.loadsOf('a'), looks.count]).toEqual([2, before])
  answering.resolve()
  await settled()
  await clock.step(EVERY_MS)
  expect(looks.count).toBe(before + 1)
  engine.loads.of('a').resolve({})
  await settled()
  expect([...cache.entries()].map(({ state }) => state)).toEqual(['ready', 'ready'])
})
