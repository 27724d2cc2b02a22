import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { createRequestShares } from '../src/request-shares.js'
import { seededRandom } from '../src/simulator/seeded-random.js'

const HALF_LIFE_MS = 600_000
const EVERY_MS = 10_000

/** Shares that have seen the keys in turn, one every ten seconds. */
function sharesOf(keys: readonly string[], shares = createRequestShares(HALF_LIFE_MS), from = 0) {
  for (const [i, key] of keys.entries()) shares.count(key, from + i * EVERY_MS)
  return shares
}

const drawn = (length: number, pick: (point: number) => string) => {
  const random = seededRandom(1)
  return Array.from({ length }, () => pick(random()))
}

test('what is steady is learnt: shares come near to those that requests are drawn by', () => {
  const shares = sharesOf(drawn(1000, (point) => (point < 0.7 ? 'often' : point < 0.95 ? 'seldom' : 'rare')))
  expect(shares.shareOf('often')).toBeCloseTo(0.7, 1)
  expect(shares.shareOf('seldom')).toBeCloseTo(0.25, 1)
  expect(shares.shareOf('rare')).toBeCloseTo(0.05, 1)
})

test('a change is believed after a few requests, however long it was otherwise', () => {
  const before = drawn(300, (point) => (point < 0.9 ? 'old' : 'new'))
  const shares = sharesOf(before)
  expect(shares.shareOf('old')).toBeGreaterThan(0.8)
  sharesOf(Array<string>(10).fill('new'), shares, before.length * EVERY_MS)
  expect(shares.shareOf('new')).toBeGreaterThan(shares.shareOf('old'))
})

test('after a long pause one request says more than it does at once', () => {
  const before = drawn(200, (point) => (point < 0.9 ? 'old' : 'new'))
  const afterPauseOf = (halfLives: number) => {
    const shares = sharesOf(before)
    shares.count('new', before.length * EVERY_MS + halfLives * HALF_LIFE_MS)
    return shares.shareOf('new')
  }
  expect(afterPauseOf(20)).toBeGreaterThan(2 * afterPauseOf(0))
})

test('the shares of all that were asked for add up to 1, each above 0, for any requests at any times', () => {
  const request = fc.record({ key: fc.integer({ min: 0, max: 20 }), pauseMs: fc.nat(10 * HALF_LIFE_MS) })
  fc.assert(
    fc.property(fc.array(request, { minLength: 1, maxLength: 200 }), (requests) => {
      const shares = createRequestShares(HALF_LIFE_MS)
      let now = 0
      for (const { key, pauseMs } of requests) shares.count(String(key), (now += pauseMs))
      const each = [...new Set(requests.map(({ key }) => key))].map((key) => shares.shareOf(String(key)))
      for (const share of each) expect(share).toBeGreaterThan(0)
      expect(each.reduce((sum, share) => sum + share, 0)).toBeCloseTo(1, 9)
    }),
  )
})

test('what was never asked for has a share above 0, before the first request too', () => {
  const shares = createRequestShares(HALF_LIFE_MS)
  expect(shares.shareOf('new')).toBeGreaterThan(0)
  sharesOf(['a', 'b', 'a'], shares)
  expect(shares.shareOf('new')).toBeGreaterThan(0)
  expect(shares.shareOf('new')).toBeLessThan(shares.shareOf('b'))
})

test('of more than a thousand names the one longest not asked for is forgotten, and the others share what there is', () => {
  const names = Array.from({ length: 1000 }, (_, i) => `model-${i}`)
  const shares = sharesOf(['first', 'kept', ...names.slice(0, -1), 'kept'])
  const sum = (some: readonly string[]) => some.reduce((total, name) => total + shares.shareOf(name), 0)
  expect(shares.shareOf('first')).toBe(shares.shareOf('never'))
  expect(sum([...names.slice(0, -1), 'kept'])).toBeCloseTo(1, 9)
})
