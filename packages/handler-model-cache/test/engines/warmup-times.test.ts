import { expect, test } from 'vitest'
import { timeRuns } from '../../src/engines/warmup-times.js'

const never = new AbortController().signal

function untilAborted(signal: AbortSignal): Promise<number> {
  return new Promise((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true })
  })
}

test('answers the first time, the median and the number of runs', async () => {
  const times = [90, 4, 2, 10]
  const odd = await timeRuns({ runs: 3, maxMs: 60_000, signal: never }, async () => times.shift() ?? 0)
  expect(odd).toEqual({ firstMs: 90, p50Ms: 4, runs: 3 })
  const more = [8, 2, 4, 6]
  const even = await timeRuns({ runs: 4, maxMs: 60_000, signal: never }, async () => more.shift() ?? 0)
  expect(even).toEqual({ firstMs: 8, p50Ms: 5, runs: 4 })
})

test('answers with the runs that were done when the time limit strikes', async () => {
  let run = 0
  const times = await timeRuns({ runs: 5, maxMs: 30, signal: never }, async (signal) => {
    run += 1
    return run < 3 ? run : untilAborted(signal)
  })
  expect(times).toEqual({ firstMs: 1, p50Ms: 1.5, runs: 2 })
})

test('says where no run was done in time', async () => {
  const warmup = timeRuns({ runs: 1, maxMs: 10, signal: never }, untilAborted)
  await expect(warmup).rejects.toMatchObject({ code: 'WARMUP_TIMEOUT' })
})

test('rejects with the reason of the signal, and with what a run threw', async () => {
  const abort = new AbortController()
  const stopped = timeRuns({ runs: 2, maxMs: 60_000, signal: abort.signal }, untilAborted)
  abort.abort(new Error('stop'))
  await expect(stopped).rejects.toThrow('stop')
  const failed = timeRuns({ runs: 2, maxMs: 60_000, signal: never }, () =>
    Promise.reject(new Error('broken')),
  )
  await expect(failed).rejects.toThrow('broken')
})
