import { getEventListeners } from 'node:events'
import { expect, test } from 'vitest'
import { createLedger } from '../src/ledger.js'
import { createEntry, type ModelEntry } from '../src/model-entry.js'
import { createRequestShares } from '../src/request-shares.js'
import { createRoom } from '../src/room.js'
import { openCache } from './cache-harness.js'
import { createSteppedClock, settled } from './stepped-clock.js'

/** A line alone, before memory that somebody else holds: 60 of 100 bytes, ready and protected by its minimum residency. */
function openLine() {
  const { wishFor } = openCache({})
  const clock = createSteppedClock()
  const ledger = createLedger<ModelEntry>('process', 100)
  const make = (modelId: string) =>
    createEntry(wishFor(modelId), { ledger, keepAliveMs: null, now: clock.now() })
  const holder = Object.assign(make('holder'), { state: 'ready', readyAt: clock.now() } as const)
  ledger.reserve(holder, 60)
  const room = createRoom({
    ledger,
    clock,
    shares: createRequestShares(1000),
    entries: () => [holder],
    evict: () => {},
    settings: { policy: 'plan', minResidencyMs: 60_000, roomWaitMs: 30_000 },
  })
  const enter = (modelId: string, bytes: number) => {
    const abort = new AbortController()
    const entry = make(modelId)
    // somebody has to wait for it: who evicts what is the waiter's rule
    const { resolve, reject } = { resolve: () => {}, reject: () => {} }
    entry.waiters.add({ wish: wishFor(modelId), hold: () => {}, progress: () => {}, resolve, reject })
    const entered = room.enter(entry, bytes, abort.signal)
    entered.catch(() => {})
    return { entered, abort }
  }
  return { clock, ledger, room, enter }
}

test('when the head of the line gives up, the next has its turn at once', async () => {
  const { room, enter } = openLine()
  const large = enter('large', 90)
  const small = enter('small', 30)
  expect(room.waiting()).toBe(2)
  large.abort.abort(new Error('enough'))
  await expect(large.entered).rejects.toThrow('enough')
  await expect(small.entered).resolves.toEqual({ granted: true })
})

test('when the head of the line has waited too long, the next has its turn at once', async () => {
  const { clock, enter } = openLine()
  const large = enter('large', 90)
  await clock.step(20_000)
  const small = enter('small', 30)
  await clock.step(10_000)
  await expect(large.entered).rejects.toMatchObject({ code: 'NO_ROOM' })
  await expect(small.entered).resolves.toEqual({ granted: true })
})

test('who was served leaves no timer and no listener behind, however often the line was looked at', async () => {
  const { clock, ledger, room, enter } = openLine()
  const large = enter('large', 90)
  for (let i = 0; i < 5; i += 1) room.changed()
  // until it has waited too long, and until the holder may go
  expect(clock.pending()).toBe(2)
  ledger.outside = -60
  room.changed()
  await settled()
  await expect(large.entered).resolves.toEqual({ granted: true })
  expect(clock.pending()).toBe(0)
  expect(getEventListeners(large.abort.signal, 'abort')).toEqual([])
})
