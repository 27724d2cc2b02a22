import { expect, test } from 'vitest'
import { countRequest, NO_REQUESTS, rateAt } from '../src/request-rate.js'

const HALF_LIFE_MS = 600_000

test('a steady stream settles at its rate', () => {
  let rate = NO_REQUESTS
  for (let at = 0; at < 10 * HALF_LIFE_MS; at += 5000) rate = countRequest(rate, at, HALF_LIFE_MS)
  // 0.2 requests per second, within the half of one request that it swings by
  expect(rateAt(rate, rate.at + 2500, HALF_LIFE_MS)).toBeCloseTo(0.2, 2)
})

test('a request counts half after one half-life', () => {
  const rate = countRequest(NO_REQUESTS, 1000, HALF_LIFE_MS)
  expect(rateAt(rate, 1000 + HALF_LIFE_MS, HALF_LIFE_MS)).toBeCloseTo(rate.value / 2)
})
