import { EventEmitter, once } from 'node:events'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { createLogger } from '../src/logger.js'
import { repeat } from '../src/repeat.js'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

function repeated(work: () => Promise<unknown>) {
  const lines: string[] = []
  const logger = createLogger({ destination: { write: (line: string) => void lines.push(line) } })
  const turns: number[] = []
  const counted = () => {
    turns.push(Date.now() - from)
    return work()
  }
  const from = Date.now()
  return { turns, lines, repeating: repeat(1_000, counted, logger, 'work_failed') }
}

it('works after each interval, and after a shorter one where the work answers a number', async () => {
  const answers = [undefined, 100, 100]
  const { turns, repeating } = repeated(async () => answers.shift())
  await vi.advanceTimersByTimeAsync(3_500)
  expect(turns).toEqual([1_000, 2_000, 2_100, 2_200, 3_200])
  repeating.stop()
})

it('never works twice at once, and not again once it was stopped', async () => {
  const work = new EventEmitter()
  const { turns, repeating } = repeated(() => once(work, 'done'))
  await vi.advanceTimersByTimeAsync(5_000)
  expect(turns).toEqual([1_000])
  repeating.stop()
  work.emit('done')
  await vi.advanceTimersByTimeAsync(5_000)
  expect(turns).toEqual([1_000])
})

it('logs a failure and goes on', async () => {
  const { turns, lines, repeating } = repeated(() => Promise.reject(new Error('no room')))
  await vi.advanceTimersByTimeAsync(2_500)
  repeating.stop()
  expect(turns).toEqual([1_000, 2_000])
  expect(lines).toHaveLength(2)
  expect(lines[0]).toContain('no room')
})
