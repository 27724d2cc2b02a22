import { describe, expect, it } from 'vitest'
import { systemClock } from '../src/clock.js'

describe('the system clock', () => {
  it('sleeps as long as it was told', async () => {
    const before = systemClock.elapsed()
    await systemClock.sleep(20, new AbortController().signal)
    // timers of Node round to whole milliseconds
    expect(systemClock.elapsed() - before).toBeGreaterThanOrEqual(19)
  })

  it('wakes at an abort with the reason of the signal', async () => {
    const controller = new AbortController()
    const reason = new Error('cancelled')
    const sleep = systemClock.sleep(3_600_000, controller.signal)
    controller.abort(reason)
    await expect(sleep).rejects.toBe(reason)
    await expect(systemClock.sleep(1, controller.signal)).rejects.toBe(reason)
  })

  it('knows the date', () => {
    expect(Math.abs(systemClock.now() - Date.now())).toBeLessThan(60_000)
  })
})
