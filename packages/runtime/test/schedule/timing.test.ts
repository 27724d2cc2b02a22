import { Cron } from 'croner'
import { describe, expect, it } from 'vitest'
import { instantsIn } from '../../src/schedule/due.js'
import { cronTiming, everyTiming, type Timing } from '../../src/schedule/timing.js'

const at = (text: string) => Date.parse(text)
const iso = (instants: readonly number[]) => instants.map((one) => new Date(one).toISOString())
const berlin = (cron: string, dst: 'skip' | 'shift' = 'shift') =>
  cronTiming({ cron, timezone: 'Europe/Berlin', dst })

const utc = (cron: string) => cronTiming({ cron, timezone: 'UTC', dst: 'shift' })

/** The instants in (after, upTo], each found from the one before; asked backwards they must be the same. */
function between(timing: Timing, after: string, upTo: string): string[] {
  const found: number[] = []
  let instant = timing.next(at(after))
  while (instant !== null && instant <= at(upTo)) {
    found.push(instant)
    instant = timing.next(instant)
  }
  expect(iso(instantsIn(timing, at(after), at(upTo), 10_000))).toEqual(iso(found))
  return iso(found)
}

describe('every', () => {
  it('falls on the multiples since the epoch, whenever it is asked', () => {
    const timing = everyTiming(15 * 60_000)
    expect(iso([timing.next(at('2026-03-01T12:01:07.123Z'))!])).toEqual(['2026-03-01T12:15:00.000Z'])
    expect(iso([timing.next(at('2026-03-01T12:14:59.999Z'))!])).toEqual(['2026-03-01T12:15:00.000Z'])
    expect(iso([timing.next(at('2026-03-01T12:15:00.000Z'))!])).toEqual(['2026-03-01T12:30:00.000Z'])
    expect(iso([timing.previous(at('2026-03-01T12:15:00.000Z'))!])).toEqual(['2026-03-01T12:00:00.000Z'])
    expect(iso([timing.previous(at('2026-03-01T12:15:00.001Z'))!])).toEqual(['2026-03-01T12:15:00.000Z'])
  })

  it('of seven days falls on Thursdays, as 1970-01-01 did', () => {
    expect(between(everyTiming(7 * 86_400_000), '2026-03-01T00:00:00Z', '2026-03-15T00:00:00Z')).toEqual([
      '2026-03-05T00:00:00.000Z',
      '2026-03-12T00:00:00.000Z',
    ])
  })
})

describe('cron', () => {
  it('is in its time zone, summer and winter', () => {
    const timing = berlin('0 3 * * *')
    expect(between(timing, '2026-01-10T00:00:00Z', '2026-01-11T00:00:00Z')).toEqual([
      '2026-01-10T02:00:00.000Z',
    ])
    expect(between(timing, '2026-07-10T00:00:00Z', '2026-07-11T00:00:00Z')).toEqual([
      '2026-07-10T01:00:00.000Z',
    ])
  })

  it('knows the ends of months, leap days and the last day', () => {
    expect(between(utc('0 0 31 * *'), '2026-01-01T00:00:00Z', '2026-06-01T00:00:00Z')).toEqual([
      '2026-01-31T00:00:00.000Z',
      '2026-03-31T00:00:00.000Z',
      '2026-05-31T00:00:00.000Z',
    ])
    expect(between(utc('0 0 L 2 *'), '2026-01-01T00:00:00Z', '2029-01-01T00:00:00Z')).toEqual([
      '2026-02-28T00:00:00.000Z',
      '2027-02-28T00:00:00.000Z',
      '2028-02-29T00:00:00.000Z',
    ])
    expect(between(utc('0 0 29 2 *'), '2026-01-01T00:00:00Z', '2033-01-01T00:00:00Z')).toEqual([
      '2028-02-29T00:00:00.000Z',
      '2032-02-29T00:00:00.000Z',
    ])
  })

  it('takes seconds first where there are six fields', () => {
    expect(between(berlin('*/20 59 12 * * *'), '2026-05-01T00:00:00Z', '2026-05-02T00:00:00Z')).toEqual([
      '2026-05-01T10:59:00.000Z',
      '2026-05-01T10:59:20.000Z',
      '2026-05-01T10:59:40.000Z',
    ])
  })

  it('refuses what is no pattern, a date, and an unknown zone', () => {
    expect(() => berlin('61 * * * *')).toThrow('minute')
    expect(() => berlin('2026-01-01T00:00:00')).toThrow('date')
    expect(() => cronTiming({ cron: '0 3 * * *', timezone: 'Europe/Berlyn', dst: 'shift' })).toThrow('Berlyn')
  })
})

// Berlin, 2026: 29 March 02:00 → 03:00 (01:00Z), 25 October 03:00 → 02:00 (01:00Z)
describe('the start of summer time', () => {
  const [before, after] = ['2026-03-27T12:00:00Z', '2026-03-30T12:00:00Z']

  it('runs what the gap left out right after it, where dst is shift', () => {
    expect(between(berlin('30 2 * * *'), before, after)).toEqual([
      '2026-03-28T01:30:00.000Z',
      '2026-03-29T01:00:00.000Z',
      '2026-03-30T00:30:00.000Z',
    ])
  })

  it('leaves it out where dst is skip', () => {
    expect(between(berlin('30 2 * * *', 'skip'), before, after)).toEqual([
      '2026-03-28T01:30:00.000Z',
      '2026-03-30T00:30:00.000Z',
    ])
  })

  it('runs once for all that meets at the end of the gap', () => {
    expect(between(berlin('*/20 2-3 * * *'), '2026-03-29T00:00:00Z', '2026-03-29T12:00:00Z')).toEqual([
      '2026-03-29T01:00:00.000Z',
      '2026-03-29T01:20:00.000Z',
      '2026-03-29T01:40:00.000Z',
    ])
  })

  it('keeps the rhythm of a schedule of every hour', () => {
    expect(between(berlin('0 * * * *'), '2026-03-28T23:30:00Z', '2026-03-29T03:00:00Z')).toEqual([
      '2026-03-29T00:00:00.000Z',
      '2026-03-29T01:00:00.000Z',
      '2026-03-29T02:00:00.000Z',
      '2026-03-29T03:00:00.000Z',
    ])
  })
})

describe('the end of summer time', () => {
  it('runs a time that occurs twice once, at its first occurrence', () => {
    for (const dst of ['skip', 'shift'] as const)
      expect(between(berlin('30 2 * * *', dst), '2026-10-23T12:00:00Z', '2026-10-26T12:00:00Z')).toEqual([
        '2026-10-24T00:30:00.000Z',
        '2026-10-25T00:30:00.000Z',
        '2026-10-26T01:30:00.000Z',
      ])
  })

  it('does not come back to it when asked within the repeated hour', () => {
    const timing = berlin('*/15 2,4 * * *')
    expect(iso([timing.next(at('2026-10-25T01:10:00Z'))!])).toEqual(['2026-10-25T03:00:00.000Z'])
    expect(iso([timing.previous(at('2026-10-25T01:10:00Z'))!])).toEqual(['2026-10-25T00:45:00.000Z'])
  })

  it('keeps the rhythm of a schedule of every hour', () => {
    expect(between(berlin('30 * * * *'), '2026-10-24T23:00:00Z', '2026-10-25T03:00:00Z')).toEqual([
      '2026-10-24T23:30:00.000Z',
      '2026-10-25T00:30:00.000Z',
      '2026-10-25T01:30:00.000Z',
      '2026-10-25T02:30:00.000Z',
    ])
  })
})

describe('other zones', () => {
  it.each([
    'America/New_York',
    'Europe/London',
    'Australia/Lord_Howe',
    'Africa/Casablanca',
    'America/Havana',
  ])('in %s a time of the day is when croner says, for a year', (timezone) => {
    for (const hour of [0, 2, 3])
      for (const minute of [0, 15, 30]) {
        const cron = `${minute} ${hour} * * *`
        const theirs = new Cron(cron, { timezone }).nextRuns(365, new Date('2026-01-01T00:00:00Z'))
        const timing = cronTiming({ cron, timezone, dst: 'shift' })
        let instant = at('2026-01-01T00:00:00Z')
        const ours = theirs.map(() => (instant = timing.next(instant) ?? instant))
        expect(iso(ours), cron).toEqual(theirs.map((one) => one.toISOString()))
      }
  })

  it('knows a gap of half an hour', () => {
    // Lord Howe, 4 October 2026: 02:00 → 02:30
    const timing = cronTiming({ cron: '15 2 * * *', timezone: 'Australia/Lord_Howe', dst: 'shift' })
    expect(between(timing, '2026-10-03T00:00:00Z', '2026-10-05T00:00:00Z')).toEqual([
      '2026-10-03T15:30:00.000Z',
      '2026-10-04T15:15:00.000Z',
    ])
  })

  it('knows a day that was left out', () => {
    // Samoa went over the date line: there was no 30 December 2011
    const timing = cronTiming({ cron: '0 12 * * *', timezone: 'Pacific/Apia', dst: 'skip' })
    expect(between(timing, '2011-12-29T00:00:00Z', '2012-01-01T00:00:00Z')).toEqual([
      '2011-12-29T22:00:00.000Z',
      '2011-12-30T22:00:00.000Z',
      '2011-12-31T22:00:00.000Z',
    ])
  })
})
