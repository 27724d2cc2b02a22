import { expect, test } from 'vitest'
import { createPoolChooser } from '../src/eviction-choice.js'
import { createLedger } from '../src/ledger.js'
import { createEntry, keyOf, type ModelEntry } from '../src/model-entry.js'
import { openCache } from './cache-harness.js'
import { createSteppedClock } from './stepped-clock.js'

interface Known {
  readonly bytes: number
  readonly loadSeconds: number
  /** Of the requests to the pool. */
  readonly share: number
  readonly isOut?: boolean
}

const noop = () => {}

/** What goes for `wanted`, by name, where the cache knows these models. */
function choiceOf(known: Readonly<Record<string, Known>>, wanted: { bytes: number; share: number }) {
  const { wishFor, test: controlled } = openCache({})
  const clock = createSteppedClock()
  const ledger = createLedger<ModelEntry>('process', null)
  const make = (modelId: string) =>
    createEntry(wishFor(modelId), { ledger, keepAliveMs: null, now: clock.now() })
  const entries = Object.entries(known).map(([modelId, { bytes, loadSeconds, isOut = false }]) => {
    const entry = Object.assign(make(modelId), { loadMs: loadSeconds * 1000, measuredBytes: bytes })
    if (isOut) return entry
    ledger.reserve(entry, bytes)
    return Object.assign(entry, { state: 'ready' as const })
  })
  const sharesByKey = new Map(
    Object.entries({ ...known, wanted }).map(([modelId, { share }]) => [
      keyOf(controlled.engine, { modelId, revision: null }),
      share,
    ]),
  )
  const entry = make('wanted')
  entry.waiters.add({
    wish: wishFor('wanted'),
    hold: noop,
    progress: noop,
    resolve: noop,
    reject: noop,
  })
  const chooser = createPoolChooser({
    ledger,
    clock,
    entries: () => entries,
    shares: { shareOf: (key) => sharesByKey.get(key) ?? 0 },
    settings: { policy: 'plan', minResidencyMs: 0 },
  })
  const chosen = chooser.toFree(entry, wanted.bytes)
  if (chosen === null) throw new Error('expected a choice')
  return chosen.choice.candidates
}

const IDLE = {
  doomed: { bytes: 30, loadSeconds: 10, share: 0.2 },
  small: { bytes: 10, loadSeconds: 9, share: 0.2 },
}
const WANTED = { bytes: 10, share: 0.02 }

test('each that could go is told with its share of the requests times its load time', () => {
  expect(choiceOf(IDLE, WANTED)).toEqual([
    { modelId: 'doomed', bytes: 30, cost: 2, chosen: false },
    { modelId: 'small', bytes: 10, cost: 0.2 * 9, chosen: true },
  ])
})

test('a model that is not in memory counts: it may come back and push out others', () => {
  const heavy = { bytes: 30, loadSeconds: 30, share: 0.6, isOut: true }
  const gone = choiceOf({ ...IDLE, heavy }, WANTED).filter(({ chosen }) => chosen)
  expect(gone.map(({ modelId }) => modelId)).toEqual(['doomed'])
})

test('a model that others loaded, of which no load time is known, is no free gift', () => {
  const theirs = { bytes: 20, loadSeconds: 0, share: 0.4 }
  const [, cost] = choiceOf({ small: IDLE.small, theirs }, WANTED).map((one) => one.cost)
  expect(cost).toBeCloseTo(0.4 * 18)
})
