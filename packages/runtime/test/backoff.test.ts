import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { backoffCeilingMs, backoffDelayMs, DEFAULT_BACKOFF } from '../src/backoff.js'

test('the ceiling doubles from one second to five minutes', () => {
  const ceilings = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10].map((n) => backoffCeilingMs(n, DEFAULT_BACKOFF))
  expect(ceilings).toEqual([1, 2, 4, 8, 16, 32, 64, 128, 256, 300].map((seconds) => seconds * 1_000))
})

test('the delay is the random share of the ceiling, in whole milliseconds', () => {
  expect(backoffDelayMs(3, DEFAULT_BACKOFF, () => 0)).toBe(0)
  expect(backoffDelayMs(3, DEFAULT_BACKOFF, () => 0.25)).toBe(1_000)
  expect(backoffDelayMs(3, DEFAULT_BACKOFF, () => 0.99999)).toBe(4_000)
  expect(backoffDelayMs(2, DEFAULT_BACKOFF, () => 1 / 3)).toBe(667)
})

test('the delay stays between 0 and the longest for any number of failures', () => {
  fc.assert(
    fc.property(
      fc.nat(),
      fc.nat(1_000_000),
      fc.nat(1_000_000),
      fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
      (failures, minDelayMs, extra, random) => {
        const policy = { minDelayMs, maxDelayMs: minDelayMs + extra }
        const delay = backoffDelayMs(failures, policy, () => random)
        expect(Number.isInteger(delay)).toBe(true)
        expect(delay).toBeGreaterThanOrEqual(0)
        expect(delay).toBeLessThanOrEqual(policy.maxDelayMs)
      },
    ),
  )
})

test('a longest delay below the first one wins', () => {
  expect(backoffCeilingMs(1, { minDelayMs: 5_000, maxDelayMs: 100 })).toBe(100)
})
