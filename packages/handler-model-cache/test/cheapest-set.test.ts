import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { cheapestSet, type Candidate } from '../src/cheapest-set.js'

const candidates = fc.array(
  fc.record({ bytes: fc.integer({ min: 1, max: 100 }), cost: fc.integer({ min: 0, max: 100 }) }),
  { minLength: 1, maxLength: 12 },
)

test('it frees enough for exactly the least that any set costs', () => {
  fc.assert(
    fc.property(candidates, fc.double({ min: 0.01, max: 1, noNaN: true }), (all, share) => {
      const bytes = Math.max(1, Math.floor(sum(all, 'bytes') * share))
      const chosen = cheapestSet(all, bytes)
      expect(chosen).not.toBeNull()
      expect(sum(chosen ?? [], 'bytes')).toBeGreaterThanOrEqual(bytes)
      expect(sum(chosen ?? [], 'cost')).toBe(leastCost(all, bytes))
    }),
    { numRuns: 300 },
  )
})

test('among sets of equal cost it takes the one that frees the least', () => {
  const all = [
    { bytes: 50, cost: 0 },
    { bytes: 20, cost: 0 },
    { bytes: 30, cost: 0 },
  ]
  expect(cheapestSet(all, 20)).toEqual([{ bytes: 20, cost: 0 }])
})

test('nothing is given up for nothing, and too little is no answer', () => {
  expect(cheapestSet([{ bytes: 1, cost: 1 }], 0)).toEqual([])
  expect(cheapestSet([{ bytes: 1, cost: 1 }], 2)).toBeNull()
})

test('with hundreds of candidates it still ends, no worse than the cheapest per byte in order', () => {
  const all = Array.from({ length: 500 }, (_, i) => ({
    bytes: 10 + ((i * 37) % 91),
    cost: 1 + ((i * 53) % 97),
  }))
  const chosen = cheapestSet(all, 10_000) ?? []
  const greedy: Candidate[] = []
  for (const one of all.toSorted((a, b) => a.cost / a.bytes - b.cost / b.bytes))
    if (sum(greedy, 'bytes') < 10_000) greedy.push(one)
  expect(sum(chosen, 'bytes')).toBeGreaterThanOrEqual(10_000)
  expect(sum(chosen, 'cost')).toBeLessThanOrEqual(sum(greedy, 'cost'))
})

function leastCost(all: readonly Candidate[], bytes: number): number {
  let least = Number.POSITIVE_INFINITY
  for (let set = 1; set < 1 << all.length; set += 1) {
    const chosen = all.filter((_, i) => (set >> i) & 1)
    if (sum(chosen, 'bytes') >= bytes) least = Math.min(least, sum(chosen, 'cost'))
  }
  return least
}

function sum(some: readonly Candidate[], key: keyof Candidate): number {
  return some.reduce((total, one) => total + one[key], 0)
}
