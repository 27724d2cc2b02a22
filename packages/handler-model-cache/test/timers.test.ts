import { expect, onTestFinished, test, vi } from 'vitest'
import { createCacheClock } from '../src/clock.js'
import { timeoutSignal } from '../src/timers.js'

const DAY_MS = 86_400_000

function fakeTime() {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
  onTestFinished(() => void vi.useRealTimers())
}

test('a time of 30 days is waited for to its end, though a timer of Node.js ends after 24.8', () => {
  fakeTime()
  const called = vi.fn<() => void>()
  createCacheClock().after(30 * DAY_MS, called)
  vi.advanceTimersByTime(30 * DAY_MS - 10)
  expect(called).not.toHaveBeenCalled()
  vi.advanceTimersByTime(10)
  expect(called).toHaveBeenCalledTimes(1)
  vi.advanceTimersByTime(100 * DAY_MS)
  expect(called).toHaveBeenCalledTimes(1)
})

test('what is cancelled after its first 24.8 days is not called', () => {
  fakeTime()
  const called = vi.fn<() => void>()
  const cancel = createCacheClock().after(30 * DAY_MS, called)
  vi.advanceTimersByTime(29 * DAY_MS)
  cancel()
  vi.advanceTimersByTime(100 * DAY_MS)
  expect([called.mock.calls, vi.getTimerCount()]).toEqual([[], 0])
})

test.for([30 * DAY_MS, 2 ** 40, 60_000.5])('a time limit of %d ms is not over at its start', async (ms) => {
  const signal = timeoutSignal(ms)
  // Node.js warns of a timer that is too long, and makes it one of 1 ms
  const warned = vi.fn<() => void>()
  process.on('warning', warned)
  onTestFinished(() => void process.off('warning', warned))
  await new Promise((resolve) => setImmediate(resolve))
  expect([signal.aborted, warned.mock.calls]).toEqual([false, []])
})
