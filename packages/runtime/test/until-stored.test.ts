import { expect, it } from 'vitest'
import { WorkerError, type ErrorCode } from '../src/errors.js'
import { fakeClock } from '../src/testing/fake-clock.js'
import { untilAborted, untilStored, untilTime } from '../src/until-stored.js'

/** A store that answers with these errors first. */
function storeWith(...errors: readonly ErrorCode[]): () => Promise<string> {
  const left = [...errors]
  return async () => {
    const code = left.shift()
    if (code !== undefined) throw new WorkerError(code, 'not now')
    return 'stored'
  }
}

const always = async () => true

it('says that an answer may be to a repetition only where an earlier try may have been stored', async () => {
  expect(await untilStored(storeWith('store_unavailable'), always)).toEqual({
    answer: 'stored',
    unsure: false,
  })
  const unknown = storeWith('store_unavailable', 'outcome_unknown', 'store_unavailable')
  expect(await untilStored(unknown, always)).toEqual({ answer: 'stored', unsure: true })
})

it('waits longer each time, two seconds at most', async () => {
  const waited: number[] = []
  const away = storeWith(...Array.from({ length: 8 }, () => 'store_unavailable' as const))
  await untilStored(away, async (ms) => waited.push(ms) > 0)
  expect(waited).toEqual([50, 100, 200, 400, 800, 1600, 2000, 2000])
})

it('does not ask again where no waiting helps', async () => {
  for (const code of ['storage_full', 'store_failed', 'queue_closed'] as const)
    await expect(untilStored(storeWith(code), always)).rejects.toMatchObject({ code })
})

it('until a time: not where the wait would go beyond it', async () => {
  const { clock, stepMonotonic } = fakeClock()
  const pause = untilTime(clock, clock.monotonic() + 60_000)
  expect(await pause(0)).toBe(true)
  expect(await pause(61_000)).toBe(false)
  stepMonotonic(60_000)
  expect(await pause(0)).toBe(false)
})

it('until an abort: it ends a wait under way', async () => {
  const controller = new AbortController()
  const waiting = untilAborted(() => controller.signal)(3_600_000)
  controller.abort()
  expect(await waiting).toBe(false)
})
