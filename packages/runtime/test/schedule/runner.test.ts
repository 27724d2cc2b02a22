import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { Registry } from 'prom-client'
import { describe, expect, it, onTestFinished } from 'vitest'
import { createClock } from '../../src/clock.js'
import { WorkerError } from '../../src/errors.js'
import { createMetrics } from '../../src/metrics.js'
import { readSchedules, type ScheduleOptions } from '../../src/schedule/options.js'
import { createRecordStore } from '../../src/schedule/record.js'
import { runSchedule } from '../../src/schedule/runner.js'
import type { Submission } from '../../src/submit.js'

const NOON = Date.parse('2026-05-01T12:00:00.500Z')
const MINUTE = 60_000
const HOUR = 60 * MINUTE

interface Stage {
  /** Called after each sleep. */
  readonly onSleep?: (sleeps: number, step: (ms: number) => void) => void
  /** The run is stopped in this sleep, counted from 1. */
  readonly sleeps: number
  /** Answers a try to submit; default: accepted, or a duplicate where the id is known. */
  readonly refuse?: (tries: number) => Error | null
}

function read(given: Partial<ScheduleOptions>) {
  return readSchedules([{ name: 'hourly', type: 'echo', payload: {}, every: '1h', ...given }]).schedules[0]!
}

/** A folder and a queue's ids, through several runs of a schedule. Sleeps take no time but that of the clock. */
function stage(options: Partial<ScheduleOptions>, startAt = NOON) {
  const dataDir = mkdtempSync(join(tmpdir(), 'mcp-worker-schedule-'))
  onTestFinished(() => rmSync(dataDir, { recursive: true, force: true }))
  let time = startAt
  const clock = { ...createClock(), wall: () => time }
  const ids: string[] = []
  const events: string[] = []
  const slept: number[] = []
  const write = (line: string) => void events.push((JSON.parse(line) as { msg: string }).msg)
  const registry = new Registry()
  const metrics = createMetrics(registry, async () => {})
  const records = createRecordStore(dataDir)

  async function run({ sleeps, onSleep, refuse }: Stage, given = options): Promise<void> {
    const stopping = new AbortController()
    const before = slept.length
    let tries = 0
    const submit = async ({ id = '', type }: Submission) => {
      const refused = refuse?.(++tries)
      if (refused) throw refused
      const duplicate = ids.includes(id)
      if (!duplicate) ids.push(id)
      return { id, type, status: 'queued' as const, createdAt: time, duplicate }
    }
    const sleep = async (ms: number) => {
      slept.push(ms)
      time += ms
      onSleep?.(slept.length, (by) => void (time += by))
      if (slept.length >= sleeps + before) stopping.abort()
    }
    const around = { clock, metrics, records, submit, sleep, lookBackMs: 24 * HOUR }
    await runSchedule(
      read(given),
      { ...around, logger: pino({ level: 'debug' }, { write }) },
      stopping.signal,
    )
  }
  const total = async (name: string) => (await registry.getSingleMetric(name)!.get()).values[0]?.value ?? 0
  return { run, ids, events, slept, dataDir, pass: (ms: number) => void (time += ms), total }
}

const hours = (...hour: readonly number[]) =>
  hour.map((one) => `schedule:hourly:2026-05-01T${String(one).padStart(2, '0')}:00:00Z`)

describe('runSchedule', () => {
  it('fires each instant once', async () => {
    const { run, ids, total } = stage({})
    await run({ sleeps: 250 })
    expect(ids).toEqual(hours(13, 14))
    expect(await total('mcp_worker_schedule_fired_total')).toBe(2)
  })

  it('looks at the clock twice a minute, however far the next instant is', async () => {
    const { run, slept } = stage({ cron: '0 0 29 2 *', every: undefined })
    await run({ sleeps: 20 })
    expect(slept).toEqual(Array.from({ length: 20 }, () => 30_000))
  })

  it('has missed nothing when it is seen for the first time', async () => {
    const { run, ids, events } = stage({ missed: 'all' })
    await run({ sleeps: 1 })
    expect(ids).toEqual([])
    expect(events).toEqual([])
  })

  it.each([
    ['none', []],
    ['latest', hours(16)],
    ['all', hours(13, 14, 15, 16)],
  ] as const)('after a pause makes up for what `missed: %s` says', async (missed, expected) => {
    const { run, ids, pass, events } = stage({ missed })
    await run({ sleeps: 1 })
    pass(4 * HOUR + MINUTE)
    await run({ sleeps: 1 })
    expect(ids).toEqual(expected)
    expect(events.filter((event) => event === 'schedule_missed')).toHaveLength(1)
    await run({ sleeps: 1 })
    expect(ids).toEqual(expected)
  })

  it('looks back no further than an id is known', async () => {
    const { run, ids, pass } = stage({ missed: 'all' })
    await run({ sleeps: 1 })
    pass(10 * 24 * HOUR)
    await run({ sleeps: 1 })
    expect(ids).toHaveLength(24)
  })

  it('has missed nothing after its times were changed', async () => {
    const { run, ids, pass } = stage({ missed: 'all' })
    await run({ sleeps: 1 })
    pass(4 * HOUR)
    await run({ sleeps: 1 }, { missed: 'all', every: '30m' })
    expect(ids).toEqual([])
  })

  it('fires what `missed` says when the clock is set hours ahead', async () => {
    const { run, ids } = stage({ missed: 'latest' })
    await run({ sleeps: 2, onSleep: (n, step) => n === 1 && step(5 * HOUR) })
    expect(ids).toEqual(hours(17))
  })

  it('fires nothing twice when the clock is set back', async () => {
    const { run, ids, total } = stage({})
    await run({ sleeps: 500, onSleep: (n, step) => n === 130 && step(-HOUR) })
    expect(ids).toEqual(hours(13, 14, 15))
    expect(await total('mcp_worker_schedule_fired_total')).toBe(3)
  })

  it('tries a failed submit again until the next instant, and goes on with that', async () => {
    const { run, ids, events, total } = stage({})
    const isAway = () => ids.length === 0 && events.filter((one) => one === 'schedule_given_up').length === 0
    const away = new WorkerError('store_unavailable', 'it is away')
    await run({ sleeps: 1 }).then(() => run({ sleeps: 1500, refuse: () => (isAway() ? away : null) }))
    expect(ids.slice(0, 2)).toEqual(hours(14, 15))
    expect(events.filter((event) => event === 'schedule_given_up')).toHaveLength(1)
    expect(events.filter((event) => event === 'schedule_submit_failed').length).toBeGreaterThan(5)
    expect(await total('mcp_worker_schedule_failures_total')).toBeGreaterThan(5)
  })

  it('waits as long as a full queue asks for', async () => {
    const { run, ids } = stage({})
    const full = new WorkerError('queue_full', 'full', { retryAfterMs: 10 * MINUTE })
    await run({ sleeps: 150, refuse: (tries) => (tries === 1 ? full : null) })
    expect(ids).toEqual(hours(13))
  })

  it('gives up at once what would be refused again', async () => {
    const { run, events } = stage({})
    await run({ sleeps: 130, refuse: () => new WorkerError('payload_too_large', 'too large') })
    expect(events).toEqual(['schedule_given_up'])
  })

  it('takes the task of another payload for its own: a worker before or after a deploy fired it', async () => {
    const { run, events, total } = stage({})
    await run({ sleeps: 130, refuse: () => new WorkerError('id_conflict', 'taken') })
    expect(events).toEqual([])
    expect(await total('mcp_worker_schedule_failures_total')).toBe(0)
  })

  it('leaves what it could not submit before the stop to the next start', async () => {
    const { run, ids, pass } = stage({})
    await run({ sleeps: 1 })
    pass(HOUR)
    await run({ sleeps: 1, refuse: () => new WorkerError('store_unavailable', 'it is away') })
    expect(ids).toEqual([])
    await run({ sleeps: 1 })
    expect(ids).toEqual(hours(13))
  })

  it('begins anew where its file is broken, and leaves no other file', async () => {
    const { run, ids, pass, dataDir } = stage({ missed: 'all' })
    await run({ sleeps: 1 })
    writeFileSync(join(dataDir, 'schedules', 'hourly.json'), '{"when":')
    pass(3 * HOUR)
    await run({ sleeps: 1 })
    expect(ids).toEqual([])
    expect(readdirSync(join(dataDir, 'schedules'))).toEqual(['hourly.json'])
  })
})
