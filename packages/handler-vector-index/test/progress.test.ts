import { expect, test } from 'vitest'
import { createProgress } from '../src/progress.js'

function follow(start: number) {
  let now = 1000
  const notes: (string | undefined)[] = []
  const context = {
    progress: (_done: number, _total?: number | null, note?: string) => void notes.push(note),
  }
  const progress = createProgress(context, { start, now: () => now })
  return {
    notes,
    at: (ms: number, done: number) => {
      now = 1000 + ms
      progress(done, null)
    },
  }
}

test('the note counts, and says the rate of this delivery', () => {
  const { at, notes } = follow(1000)
  at(0, 1000)
  at(2000, 1240)
  at(4000, 13_000)
  at(100_000, 1005)
  expect(notes).toEqual([
    '1,000 documents',
    '1,240 documents, 120/s',
    '13,000 documents, 3,000/s',
    '1,005 documents, 0.1/s',
  ])
})

test('a later part of a task counts on in the numbers, and anew in the note', () => {
  const said: unknown[] = []
  const progress = createProgress(
    { progress: (...all) => void said.push(all) },
    { before: 500, unit: 'compared', now: () => 0 },
  )
  progress(20, 80)
  progress(30, null)
  expect(said).toEqual([
    [520, 580, '20 compared'],
    [530, null, '30 compared'],
  ])
})
