import { describe, expect, it } from 'vitest'
import type { BoardEntry } from '../../src/keeper/board.js'
import { fencesToRenew, lookAtLoop, type WatchdogState } from '../../src/keeper/watchdog.js'

const GRACE_MS = 5000
const inline = (fence: string, deadline: number, touched = 0): BoardEntry => ({
  fence,
  inline: true,
  deadline,
  touched,
})
const hosted = (fence: string, deadline: number): BoardEntry => ({
  ...inline(fence, deadline),
  inline: false,
})

/** Looks every 50 ms from the start to `until`, at a loop that never turns; answers the first fence that blocks, and when. */
function watch(
  entries: readonly BoardEntry[],
  until: number,
  from = 0,
): { fence: string; at: number } | null {
  const board = { beats: () => 7, entries: () => [...entries] }
  let state: WatchdogState = { beats: 7, movedAt: from, lookedAt: from }
  for (let now = from + 50; now <= until; now += 50) {
    const look = lookAtLoop(board, state, now, GRACE_MS)
    state = look.state
    if (look.blocking) return { fence: look.blocking.fence, at: now }
  }
  return null
}

describe('a loop that does not turn', () => {
  it('is blocked when deadline and grace of the inline task that acted last have passed', () => {
    expect(watch([inline('1:1', 3000, 10), inline('2:1', 9000, 20)], 20_000)).toEqual({
      fence: '2:1',
      at: 14_000,
    })
    expect(watch([inline('1:1', 3000, 20), inline('2:1', 9000, 10)], 20_000)).toEqual({
      fence: '1:1',
      at: 8000,
    })
  })

  it('is not blocked before it has stood for the whole grace, however late the task is', () => {
    expect(watch([inline('1:1', -60_000)], 20_000)).toEqual({ fence: '1:1', at: GRACE_MS })
  })

  it('is nobody’s fault where no task runs inline', () => {
    expect(watch([hosted('1:1', 0)], 60_000)).toBeNull()
  })

  it('begins anew with every beat', () => {
    const before = { beats: 7, movedAt: 0, lookedAt: 9950 }
    const board = { beats: () => 8, entries: () => [inline('1:1', 0)] }
    const look = lookAtLoop(board, before, 10_000, GRACE_MS)
    expect(look).toEqual({ state: { beats: 8, movedAt: 10_000, lookedAt: 10_000 }, blocking: null })
  })

  it('is not blamed for a time in which the whole process stood still', () => {
    const board = { beats: () => 7, entries: () => [inline('1:1', 3000)] }
    const frozen = lookAtLoop(board, { beats: 7, movedAt: 0, lookedAt: 50 }, 600_050, GRACE_MS)
    expect(frozen.blocking).toBeNull()
    const next = lookAtLoop(board, frozen.state, 600_100, GRACE_MS)
    expect(next.blocking).toBeNull()
    // but when it does not turn afterwards either, it is
    let { state } = next
    let blockedAt = 0
    for (let now = 600_150; blockedAt === 0; now += 50) {
      const look = lookAtLoop(board, state, now, GRACE_MS)
      state = look.state
      if (look.blocking) blockedAt = now
    }
    expect(blockedAt).toBeGreaterThan(603_000)
    expect(blockedAt).toBeLessThanOrEqual(600_050 + GRACE_MS)
  })
})

describe('leases go on', () => {
  const entries = [inline('1:1', 1000), hosted('2:1', 1000), hosted('3:1', 9000)]
  it('up to deadline and grace while the loop turns', () => {
    expect(fencesToRenew(entries, { blocked: false, now: 5999, graceMs: GRACE_MS })).toHaveLength(3)
    expect(fencesToRenew(entries, { blocked: false, now: 6000, graceMs: GRACE_MS })).toEqual(['3:1'])
  })
  it('of inline tasks as long as the loop is blocked', () => {
    expect(fencesToRenew(entries, { blocked: true, now: 6000, graceMs: GRACE_MS })).toEqual(['1:1', '3:1'])
  })
})
