import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { ModelError } from '../src/errors.js'
import { EVICT_RULES } from '../src/model-entry.js'
import { openCache, type Harness } from './cache-harness.js'
import { settled } from './stepped-clock.js'

/** 10,000 steps in all. */
const SCHEDULES = 20
const STEPS = 500

const SIZES = { a: 60, b: 60, c: 30, d: 25, e: 40, f: 10 }
const LIMIT = 100
const NAMES = Object.keys(SIZES) as (keyof typeof SIZES)[]

const step = fc.record({
  act: fc.oneof(
    { weight: 5, arbitrary: fc.constant('preload' as const) },
    { weight: 4, arbitrary: fc.constant('use' as const) },
    { weight: 4, arbitrary: fc.constant('end use' as const) },
    { weight: 2, arbitrary: fc.constant('cancel' as const) },
    { weight: 6, arbitrary: fc.constant('load ends' as const) },
    { weight: 1, arbitrary: fc.constant('load fails' as const) },
    { weight: 1, arbitrary: fc.constant('out of memory' as const) },
    { weight: 2, arbitrary: fc.constant('warmup ends' as const) },
    { weight: 1, arbitrary: fc.constant('warmup fails' as const) },
    { weight: 5, arbitrary: fc.constant('unload ends' as const) },
    { weight: 1, arbitrary: fc.constant('unload fails' as const) },
    { weight: 1, arbitrary: fc.constant('engine dies' as const) },
    { weight: 1, arbitrary: fc.constant('pin' as const) },
    { weight: 2, arbitrary: fc.constant('unpin' as const) },
    { weight: 1, arbitrary: fc.constant('evict' as const) },
    { weight: 1, arbitrary: fc.constant('evict by force' as const) },
    { weight: 3, arbitrary: fc.constant('time' as const) },
  ),
  model: fc.constantFrom(...NAMES),
  pick: fc.nat(1000),
  rule: fc.constantFrom(...EVICT_RULES),
  priority: fc.nat(3),
  warm: fc.boolean(),
})

type Step = typeof step extends fc.Arbitrary<infer T> ? T : never

/**
 * The pure model: who uses what, and what is pinned, by the test's own books. What is in memory is judged by the engine's books. The cache's are only compared
 * with them.
 */
interface Books {
  readonly uses: { readonly model: string; readonly end: () => void; started: boolean; over: boolean }[]
  readonly pinned: Set<string>
  readonly forced: Set<string>
  readonly leaving: Set<string>
  readonly open: Set<{ readonly cancel: () => void }>
}

// oxlint-disable-next-line vitest/expect-expect -- judge and endAll expect
test('over 10,000 random steps nothing in use or pinned is evicted, no byte is uncounted, the budget holds, every request ends', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: STEPS, maxLength: STEPS }), async (schedule) => {
      const harness = openCache(SIZES, {
        limit: LIMIT,
        settings: { minResidencyMs: 2000, roomWaitMs: 20_000 },
      })
      const books: Books = {
        uses: [],
        pinned: new Set(),
        forced: new Set(),
        leaving: new Set(),
        open: new Set(),
      }
      for (const one of schedule) {
        const logged = harness.test.log.length
        perform(one, harness, books)
        if (one.act === 'time') await harness.clock.step(one.pick * 10)
        await settled()
        judge(one, harness, books, harness.test.log.slice(logged))
      }
      await endAll(harness, books)
    }),
    // shrinking 500 steps takes longer than a test may; the seed that is printed finds it again
    { numRuns: SCHEDULES, endOnFailure: true },
  )
}, 120_000)

function perform({ act, model, pick, rule, priority, warm }: Step, harness: Harness, books: Books): void {
  const { test: engine } = harness
  const warmup = warm ? { runs: 1, maxMs: 1000 } : null
  const nth = <T>(of: Iterable<T>): T | undefined => [...of].at(pick % Math.max(1, [...of].length))
  switch (act) {
    case 'preload': {
      const asked = harness.preload(model, { evict: rule, priority, warmup })
      books.open.add(asked)
      void asked.catch(() => {}).finally(() => books.open.delete(asked))
      return
    }
    case 'use':
      return beginUse(model, harness, books)
    case 'end use':
      return nth(books.uses.filter(({ started, over }) => started && !over))?.end()
    case 'cancel':
      return nth(books.open)?.cancel()
    case 'load ends':
      return nth(engine.loads.open)?.resolve({})
    case 'load fails':
      return nth(engine.loads.open)?.reject(new ModelError('LOAD_FAILED', 'as the schedule says'))
    case 'out of memory':
      return nth(engine.loads.open)?.reject(new ModelError('OUT_OF_MEMORY', 'as the schedule says'))
    case 'warmup ends':
      return nth(engine.warmups.open)?.resolve({ firstMs: 2, p50Ms: 1, runs: 1 })
    case 'warmup fails':
      return nth(engine.warmups.open)?.reject(new ModelError('WARMUP_FAILED', 'as the schedule says'))
    case 'unload ends':
      return nth(engine.unloads.open)?.resolve()
    case 'unload fails':
      return nth(engine.unloads.open)?.reject(new ModelError('UNLOAD_FAILED', 'as the schedule says'))
    case 'engine dies':
      // not while it unloads: that is an unload
      if (engine.isLoaded(model) && !engine.unloads.open.some(({ modelId }) => modelId === model))
        killUnder(model, harness, books)
      return
    case 'pin':
    case 'unpin':
      harness.pin(model, act === 'pin')
      if (act === 'unpin') books.pinned.delete(model)
      else if (harness.cache.find(engine.engine, harness.wishFor(model).model)) books.pinned.add(model)
      return
    case 'evict':
    case 'evict by force':
      harness.evict(model, act === 'evict by force').catch(() => {})
      if (act === 'evict by force' && engine.isLoaded(model)) books.forced.add(model)
      // one that is being loaded is left alone, and stays pinned
      if (!harness.cache.find(engine.engine, harness.wishFor(model).model)?.pinned) books.pinned.delete(model)
      return
    case 'time':
  }
}

/** What used the model that was lost has lost it: the next one of that name is another one. */
function killUnder(model: string, { test: engine }: Harness, { uses }: Books): void {
  engine.kill(model)
  for (const use of uses) if (use.model === model && use.started) use.over = true
}

function beginUse(model: string, { cache, wishFor }: Harness, { uses, open }: Books): void {
  const controller = new AbortController()
  const held: { end?: () => void } = {}
  const work = new Promise<void>((resolve) => (held.end = resolve))
  const request = { cancel: () => controller.abort(new Error('cancelled')) }
  const use = { model, started: false, over: false, end: () => held.end?.() }
  open.add(request)
  uses.push(use)
  cache
    .use(wishFor(model), { signal: controller.signal }, () => {
      use.started = true
      return work
    })
    .catch(() => {})
    .finally(() => {
      use.over = true
      open.delete(request)
    })
}

function judge(one: Step, harness: Harness, books: Books, logged: readonly string[]): void {
  const { test: engine, counted, stateOf, cache } = harness
  const context = `after ${one.act} ${one.model}`
  expect(engine.total(), `${context}: bytes in memory`).toBeLessThanOrEqual(LIMIT)
  expect(counted(), `${context}: bytes counted`).toBeLessThanOrEqual(LIMIT)
  expect(counted(), `${context}: every byte in memory is counted`).toBeGreaterThanOrEqual(engine.total())
  expect(new Set(engine.loads.open.map(({ modelId }) => modelId)).size, `${context}: one load each`).toBe(
    engine.loads.open.length,
  )
  const inUse = new Set(books.uses.filter(({ started, over }) => started && !over).map(({ model }) => model))
  for (const line of logged) {
    const model = line.split(' ')[1] ?? ''
    if (line.startsWith('load')) {
      books.forced.delete(model)
      books.leaving.delete(model)
    }
    // an unload that failed is tried again, whatever was asked for since
    if (line.startsWith('load') || books.leaving.has(model)) continue
    books.leaving.add(model)
    const broke = one.act === 'warmup fails' || one.act === 'engine dies' || one.act === 'cancel'
    expect(inUse.has(model), `${context}: ${model} was unloaded in use`).toBe(false)
    const mayGo = broke || books.forced.has(model) || !books.pinned.has(model)
    expect(mayGo, `${context}: ${model} was unloaded though pinned`).toBe(true)
  }
  const ready = NAMES.filter((model) => stateOf(model) === 'ready')
  expect(ready, `${context}: what is ready is in memory`).toEqual(ready.filter(engine.isLoaded))
  for (const entry of cache.entries()) expect(entry.uses).toBeGreaterThanOrEqual(0)
}

/** Lets everything end: no request may be left, and nothing counted but what is in memory. */
async function endAll(
  { test: engine, clock, counted, cache }: Harness,
  { uses, open }: Books,
): Promise<void> {
  for (let round = 0; round < 500 && open.size > 0; round += 1) {
    for (const use of uses) use.end()
    for (const load of engine.loads.open.splice(0)) load.resolve({})
    for (const warmup of engine.warmups.open.splice(0)) warmup.resolve({ firstMs: 2, p50Ms: 1, runs: 1 })
    for (const unload of engine.unloads.open.splice(0)) unload.resolve()
    await clock.step(1000)
  }
  for (const unload of engine.unloads.open.splice(0)) unload.resolve()
  await settled()
  expect(open.size, 'requests that never ended').toBe(0)
  expect(counted(), 'bytes counted at the end').toBe(engine.total())
  await cache.close()
  expect(engine.total()).toBe(0)
}
