import { describe, expect, it } from 'vitest'
import { createRequestGate } from '../src/request-gate.js'
import { createInstantClock } from './instant-clock.js'

const never = new AbortController().signal

describe('the request gate', () => {
  it('gives the slot of a request that failed to the next', async () => {
    const gate = createRequestGate({ concurrency: 1 }, createInstantClock())
    const first = gate(() => Promise.reject(new Error('no')), never)
    const second = gate(() => Promise.resolve('yes'), never)
    await expect(first).rejects.toThrow('no')
    expect(await second).toBe('yes')
  })

  it('lets requests in as they came', async () => {
    const gate = createRequestGate({ concurrency: 2, requestsPerMinute: 60 }, createInstantClock())
    const order: number[] = []
    const request = (number: number) => gate(async () => void order.push(number), never)
    await Promise.all([1, 2, 3, 4, 5].map(request))
    expect(order).toEqual([1, 2, 3, 4, 5])
  })

  it('does not count a request that gave up its turn against the rate', async () => {
    const clock = createInstantClock()
    const gate = createRequestGate({ concurrency: 4, requestsPerMinute: 60 }, clock)
    const controller = new AbortController()
    const waiting = [1, 2, 3].map(() => gate(() => Promise.resolve(), controller.signal))
    controller.abort(new Error('no longer wanted'))
    await Promise.allSettled(waiting)
    const before = clock.elapsed()
    await gate(() => Promise.resolve(), never)
    expect(clock.elapsed() - before).toBeLessThanOrEqual(1000)
  })

  it('saves up no starts while nobody asks', async () => {
    const clock = createInstantClock()
    const gate = createRequestGate({ concurrency: 4, requestsPerMinute: 60 }, clock)
    const request = () => gate(() => Promise.resolve(), never)
    await request()
    await clock.sleep(10_000, never)
    await request()
    await request()
    expect(clock.sleeps).toEqual([10_000, 1000])
  })
})
