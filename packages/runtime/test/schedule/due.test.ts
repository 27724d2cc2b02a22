import { describe, expect, it } from 'vitest'
import { decideDue, MOST_MISSED } from '../../src/schedule/due.js'
import { cronTiming, everyTiming } from '../../src/schedule/timing.js'

const at = (text: string) => Date.parse(text)
const daily = cronTiming({ cron: '0 3 * * *', timezone: 'UTC', dst: 'shift' })
const eachSecond = everyTiming(1000)
const third = (day: number) => at(`2026-05-0${day}T03:00:00Z`)

describe('decideDue', () => {
  it('fires an instant that has just fallen due under every rule', () => {
    for (const rule of ['none', 'latest', 'all'] as const)
      expect(decideDue(daily, rule, third(1), third(2) + 300)).toEqual({
        fire: [third(2)],
        dropped: 0,
        late: false,
      })
  })

  it('fires nothing where nothing fell due', () => {
    expect(decideDue(daily, 'all', third(1), third(2) - 1)).toEqual({ fire: [], dropped: 0, late: false })
  })

  it('fires each instant of a few seconds in which the loop was busy', () => {
    const now = third(1) + 4500
    expect(decideDue(eachSecond, 'none', third(1), now).fire).toEqual(
      [1000, 2000, 3000, 4000].map((ms) => third(1) + ms),
    )
  })

  it('fires nothing, the last or each of what was slept through', () => {
    const now = third(4) + 3_600_000
    const fired = (rule: 'none' | 'latest' | 'all') => decideDue(daily, rule, third(1), now)
    expect(fired('none')).toEqual({ fire: [], dropped: 3, late: true })
    expect(fired('latest')).toEqual({ fire: [third(4)], dropped: 2, late: true })
    expect(fired('all')).toEqual({ fire: [third(2), third(3), third(4)], dropped: 0, late: true })
  })

  it('fires the one that is on time after a pause even where missed is none', () => {
    expect(decideDue(daily, 'none', third(1), third(4) + 2000).fire).toEqual([third(4)])
  })

  it('bounds what is made up, and says that there was more', () => {
    const now = third(1) + 86_400_000
    const { fire, dropped } = decideDue(eachSecond, 'all', third(1), now)
    expect(fire).toHaveLength(MOST_MISSED)
    expect(fire.at(-1)).toBe(now)
    expect(dropped).toBeGreaterThan(0)
    expect(decideDue(eachSecond, 'latest', third(1), now).fire).toEqual([now])
  })
})
