import { describe, expect, it } from 'vitest'
import { readSchedules, taskOf, type ScheduleOptions } from '../../src/schedule/options.js'

const nightly: ScheduleOptions = { name: 'nightly', type: 'echo', payload: {}, cron: '0 3 * * *' }
const faultsOf = (...given: readonly Partial<ScheduleOptions>[]) =>
  readSchedules(given.map((one) => ({ ...nightly, ...one }))).faults

describe('readSchedules', () => {
  it('takes cron and every with their defaults', () => {
    const { schedules, faults } = readSchedules([
      nightly,
      { name: 'often', type: 'echo', payload: {}, every: '5m' },
    ])
    expect(faults).toEqual([])
    expect(schedules).toMatchObject([
      { everyMs: null, timezone: 'UTC', dst: 'shift', missed: 'latest' },
      { everyMs: 300_000, timezone: null, dst: null, missed: 'latest' },
    ])
  })

  it('tells all faults of all schedules at once, each with its path', () => {
    const faults = faultsOf(
      { name: 'Nightly', cron: '99 3 * * *', timezone: 'Mars/Olympus' },
      { every: '1s' },
      { cron: undefined, every: '10ms', timezone: 'UTC' },
      { name: 'feb', cron: '0 0 30 2 *' },
    )
    expect(faults.map(({ path }) => path)).toEqual([
      'schedules[0].name',
      'schedules[0].timezone',
      'schedules[0].cron',
      'schedules[1]',
      'schedules[2].timezone',
      'schedules[2].every',
      'schedules[2].name',
      'schedules[3].cron',
    ])
    expect(faults.map(({ message }) => message).join('\n')).toMatch(
      /"Mars\/Olympus" was given[\s\S]+minute: 99[\s\S]+exactly one of[\s\S]+another schedule[\s\S]+never falls due/,
    )
  })
})

describe('every', () => {
  it.each([999, 1e300, 1000.5, '367d', 'often'])('of %s is refused', (every) => {
    expect(faultsOf({ cron: undefined, every: every as number })).toMatchObject([
      {
        path: 'schedules[0].every',
        message: expect.stringMatching(/^expected .+, got |^expected .+was given$/),
      },
    ])
  })
})

describe('taskOf', () => {
  it('is the same for every worker: the id is made of the name and the instant', () => {
    const [schedule] = readSchedules([{ ...nightly, priority: 7, maxAttempts: 2 }]).schedules
    expect(taskOf(schedule!, Date.parse('2026-03-29T01:00:00Z'))).toEqual({
      id: 'schedule:nightly:2026-03-29T01:00:00Z',
      type: 'echo',
      payload: {},
      priority: 7,
      maxAttempts: 2,
    })
  })
})
