import { expect, test } from 'vitest'
import { createDrainRate } from '../../src/memory/drain-rate.js'

test('tells the time in which so many tasks left lately', () => {
  const rate = createDrainRate()
  rate.left(0, 0)
  for (let second = 1; second <= 5; second++) rate.left(10, second * 1_000)
  expect(rate.retryAfterMs(100, 5_000)).toBe(10_000)
  expect(rate.retryAfterMs(25, 5_000)).toBe(2_500)
})

test('answers a second at least and a minute at most', () => {
  const rate = createDrainRate()
  rate.left(0, 0)
  rate.left(1_000, 1_000)
  expect(rate.retryAfterMs(1, 1_000)).toBe(1_000)
  expect(rate.retryAfterMs(10_000_000, 1_000)).toBe(60_000)
})

test('a queue that nothing leaves any more is worth a minute', () => {
  const rate = createDrainRate()
  expect(rate.retryAfterMs(1, 0)).toBe(60_000)
  rate.left(50, 1_000)
  // the window of the last task and the one after it are over
  expect(rate.retryAfterMs(1, 100_000)).toBe(60_000)
})
