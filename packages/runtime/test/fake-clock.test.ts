import { expect, test } from 'vitest'
import { createClock } from '../src/clock.js'
import { fakeClock } from '../src/testing/fake-clock.js'

const HOUR = 3_600_000

test('a step of the wall clock moves due times and no lease', () => {
  const { clock, stepWall } = fakeClock()
  const [wall, monotonic] = [clock.wall(), clock.monotonic()]
  stepWall(-HOUR)
  expect(clock.wall()).toBeLessThan(wall)
  expect(clock.monotonic()).toBeGreaterThanOrEqual(monotonic)
  expect(clock.monotonic()).toBeLessThan(monotonic + HOUR)
})

test('an advance moves both', () => {
  const { clock, advance } = fakeClock()
  const [wall, monotonic] = [clock.wall(), clock.monotonic()]
  advance(HOUR)
  expect(clock.wall()).toBeGreaterThanOrEqual(wall + HOUR)
  expect(clock.monotonic()).toBeGreaterThanOrEqual(monotonic + HOUR)
})

test('whoever shares the offsets sees the same steps', () => {
  const { clock, stepMonotonic } = fakeClock()
  const elsewhere = createClock(clock.offsets)
  const before = elsewhere.monotonic()
  stepMonotonic(HOUR)
  expect(elsewhere.monotonic()).toBeGreaterThanOrEqual(before + HOUR)
})

test('refuses to turn monotonic time back', () => {
  const { advance, stepMonotonic } = fakeClock()
  expect(() => stepMonotonic(-1)).toThrow(RangeError)
  expect(() => advance(-1)).toThrow(RangeError)
})
