import { expect, test } from 'vitest'
import { ModelError } from '../src/errors.js'
import { openCache, type Harness } from './cache-harness.js'
import { settled } from './stepped-clock.js'

const MODELS = { a: 60, b: 60 }

async function failLoad({ preload, test: engine }: Harness, error: ModelError): Promise<void> {
  const asked = preload('a', { force: true })
  await settled()
  engine.loads.of('a').reject(error)
  await expect(asked).rejects.toBe(error)
  await settled()
}

test('a server that says when to come again is asked no sooner', async () => {
  const harness = openCache(MODELS)
  await failLoad(harness, new ModelError('ENDPOINT_FAILED', 'expected an answer', { retryAfterMs: 7000 }))
  await expect(harness.preload('a')).rejects.toMatchObject({ retryAfterMs: 7000 })
})

test('the backoff doubles with each failure up to a minute, and starts anew after a load that worked', async () => {
  const harness = openCache(MODELS)
  const waits = []
  const wait = () => harness.preload('a').catch(({ retryAfterMs }: ModelError) => retryAfterMs)
  for (let i = 0; i < 8; i += 1) {
    await failLoad(harness, new ModelError('LOAD_FAILED', 'expected a model, got noise'))
    waits.push(await wait())
  }
  expect(waits).toEqual([1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000])
  await harness.clock.step(60_000)
  await harness.loadAll('a')
  const gone = harness.evict('a')
  await settled()
  harness.test.unloads.of('a').resolve()
  await gone
  await failLoad(harness, new ModelError('LOAD_FAILED', 'expected a model, got noise'))
  expect(await wait()).toBe(1000)
})

test('who asks while a failed load gives its memory back is told of that failure', async () => {
  const { preload, test: engine, counted } = openCache(MODELS)
  const first = preload('a', { warmup: { runs: 1, maxMs: 1000 } })
  await settled()
  engine.loads.of('a').resolve({})
  await settled()
  engine.warmups.of('a').reject(new ModelError('WARMUP_FAILED', 'expected an answer, got none'))
  await expect(first).rejects.toMatchObject({ code: 'WARMUP_FAILED' })
  const second = preload('a')
  await settled()
  expect([second.seen(), counted()]).toEqual(['waiting', 60])
  engine.unloads.of('a').resolve()
  await expect(second).rejects.toMatchObject({ code: 'WARMUP_FAILED' })
  expect([counted(), engine.loadsOf('a')]).toEqual([0, 1])
})

test('the late death of an earlier load of a model takes nothing from the one that is loaded now', async () => {
  const { loadAll, evict, test: engine, counted, stateOf } = openCache(MODELS)
  const deaths: ((error: Error) => void)[] = []
  const load = engine.engine.load.bind(engine.engine)
  engine.engine.load = async (model, options) => ({
    ...(await load(model, options)),
    onGone: (callback) => void deaths.push(callback),
  })
  await loadAll('a')
  const gone = evict('a')
  await settled()
  engine.unloads.of('a').resolve()
  await gone
  await loadAll('a')
  deaths[0]?.(new ModelError('MODEL_GONE', 'the first process ended'))
  expect([stateOf('a'), counted(), deaths.length]).toEqual(['ready', 60, 2])
})

test('who waited for room in vain is followed at once: nothing failed about the model', async () => {
  const {
    preload,
    loadAll,
    use,
    clock,
    stateOf,
    test: engine,
  } = openCache(MODELS, {
    settings: { roomWaitMs: 5000 },
  })
  await loadAll('b')
  const using = await use('b')
  const first = preload('a')
  await settled()
  await clock.step(5000)
  expect([first.seen(), stateOf('a')]).toMatchObject([{ code: 'NO_ROOM' }, 'absent'])
  using.end()
  const second = preload('a')
  await settled()
  engine.unloads.of('b').resolve()
  await settled()
  engine.loads.of('a').resolve({})
  await expect(second).resolves.toMatchObject({ how: 'loaded' })
})

test('a load that outgrew its room is asked again at once, and waits for the room that it measured', async () => {
  const { preload, loadAll, use, stateOf, clock, test: engine } = openCache({ a: 30, b: 60 })
  await loadAll('b')
  const using = await use('b')
  const first = preload('a')
  await settled()
  engine.loads.of('a').resolve({ bytes: 50 })
  await settled()
  engine.unloads.of('a').resolve()
  await expect(first).rejects.toMatchObject({ code: 'NO_ROOM' })
  await settled()
  const second = preload('a')
  await settled()
  expect([second.seen(), stateOf('a')]).toEqual(['waiting', 'queued'])
  using.end()
  await clock.step(0)
  expect(stateOf('b')).toBe('unloading')
})

test.for(['WARMUP_FAILED', 'WARMUP_TIMEOUT', 'WARMUP_UNFIT'] as const)(
  'a warmup by inputs of its own that ends with %s is no failure of the model: the next request is no worse off',
  async (code) => {
    const { preload, test: engine } = openCache(MODELS)
    const first = preload('a', { warmup: { runs: 1, maxMs: 1000, inputs: { no: 'such input' } } })
    await settled()
    engine.loads.of('a').resolve({})
    await settled()
    engine.warmups.of('a').reject(new ModelError(code, 'expected inputs that fit, got others'))
    await settled()
    engine.unloads.of('a').resolve()
    await expect(first).rejects.toMatchObject({ code })
    await settled()
    const second = preload('a')
    await settled()
    engine.loads.of('a').resolve({})
    await expect(second).resolves.toMatchObject({ how: 'loaded' })
  },
)
