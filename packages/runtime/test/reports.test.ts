import { expect, it } from 'vitest'
import { WorkerError, type ErrorCode } from '../src/errors.js'
import { createLogger } from '../src/logger.js'
import type { Report } from '../src/queue.js'
import { createReports } from '../src/reports.js'

/** `failures`: what the store answers first. `pauses`: how often it is worth waiting. */
function reporting({ failures = [], pauses = 0 }: { failures?: readonly ErrorCode[]; pauses?: number } = {}) {
  const written: Report[] = []
  const submitted: string[] = []
  const waited: number[] = []
  const left = [...failures]
  const fail = () => {
    const code = left.shift()
    if (code !== undefined) throw new WorkerError(code, 'not now')
  }
  const reports = createReports(
    { fence: '1:1', taskId: 'one', type: 'alpha' },
    {
      queue: {
        record: async (_fence: string, report: Report) => {
          fail()
          written.push(report)
          return 'recorded' as const
        },
      },
      logger: createLogger({ destination: { write: () => {} } }),
      submit: async (type) => {
        fail()
        submitted.push(type)
        return { id: 'child', duplicate: false }
      },
      onAct: () => {},
      onLost: () => {},
      pause: async (ms) => waited.push(ms) <= pauses,
    },
  )
  return { reports, written, submitted, waited }
}

it('of many log lines the last are written, and no more are held than two hundred', () => {
  const { reports, written } = reporting()
  for (let n = 0; n < 1000; n++) reports.log.info(`line ${n}`)
  reports.flush()
  const lines = written[0]?.log ?? []
  expect(lines.length).toBeLessThan(200)
  expect(lines.slice(-100).map(({ event }) => event)).toEqual(
    Array.from({ length: 100 }, (_, n) => `line ${900 + n}`),
  )
})

it('a stored log line has neither secrets nor control characters', () => {
  const { reports, written } = reporting()
  reports.log.warn('cannot reach https://me:hunter2@example.org\u001b[31m')
  reports.flush()
  expect(written[0]?.log?.[0]).toMatchObject({
    level: 'warn',
    event: 'cannot reach https://[redacted]@example.org [31m',
  })
})

it('what was not written yet travels with a checkpoint, and is not written again', async () => {
  const { reports, written } = reporting()
  reports.progress({ done: 1, total: 2, note: null })
  await reports.checkpoint('{"at":1}')
  reports.flush()
  expect(written).toEqual([{ progress: { done: 1, total: 2, note: null }, checkpoint: '{"at":1}' }])
})

const AWAY = ['store_unavailable', 'outcome_unknown', 'store_unavailable'] as const

it('a checkpoint waits for a store that is away for a moment, longer each time', async () => {
  const { reports, written, waited } = reporting({ failures: AWAY, pauses: 3 })
  reports.progress({ done: 1, total: 2, note: null })
  await reports.checkpoint('{"at":1}')
  expect(written).toEqual([{ progress: { done: 1, total: 2, note: null }, checkpoint: '{"at":1}' }])
  expect(waited).toEqual([50, 100, 200])
})

it('so does a child, which is submitted once', async () => {
  const { reports, submitted, waited } = reporting({ failures: AWAY, pauses: 3 })
  expect(await reports.submit('alpha', '{}', { key: 'a' })).toEqual({ id: 'child', duplicate: false })
  expect(submitted).toEqual(['alpha'])
  expect(waited).toEqual([50, 100, 200])
})

it('once the delivery is stopped nobody waits any longer', async () => {
  const { reports, waited } = reporting({ failures: AWAY, pauses: 1 })
  await expect(reports.checkpoint('1')).rejects.toMatchObject({ code: 'outcome_unknown' })
  expect(waited).toHaveLength(2)
})

it.each(['storage_full', 'queue_full', 'store_failed'] as const)(
  'tells the handler of %s at once',
  async (code) => {
    const { reports, waited } = reporting({ failures: [code], pauses: 6 })
    await expect(reports.submit('alpha', '{}', { key: 'a' })).rejects.toMatchObject({ code })
    expect(waited).toEqual([])
  },
)

/** A store that is away for the first writes, and a wait that ends when told. */
function awayFor(tries: number) {
  const stored: Report[] = []
  const waiting: (() => void)[] = []
  let left = tries
  const reports = createReports(
    { fence: '1:1', taskId: 'one', type: 'alpha' },
    {
      queue: {
        record: async (_fence: string, report: Report) => {
          if (left-- > 0) throw new WorkerError('store_unavailable', 'not now')
          stored.push(report)
          return 'recorded' as const
        },
      },
      logger: createLogger({ destination: { write: () => {} } }),
      submit: async () => ({ id: 'child', duplicate: false }),
      onAct: () => {},
      onLost: () => {},
      pause: () => new Promise((resolve) => waiting.push(() => resolve(true))),
    },
  )
  return { reports, stored, waiting }
}

it('a checkpoint that waited does not take the place of a later one that was stored meanwhile', async () => {
  const { reports, stored, waiting } = awayFor(1)
  const first = reports.checkpoint('1')
  await expect.poll(() => waiting.length).toBe(1)
  await reports.checkpoint('2')
  waiting[0]?.()
  await first
  expect(stored.at(-1)).toMatchObject({ checkpoint: '2' })
})

it('nor does the progress that travels with it', async () => {
  const { reports, stored, waiting } = awayFor(1)
  reports.progress({ done: 1, total: 9, note: null })
  const first = reports.checkpoint('1')
  await expect.poll(() => waiting.length).toBe(1)
  reports.progress({ done: 9, total: 9, note: null })
  reports.flush()
  waiting[0]?.()
  await first
  expect(stored.findLast(({ progress }) => progress)?.progress).toMatchObject({ done: 9 })
})

it('what the handler did not wait for is waited for at its end, until the delivery is stopped', async () => {
  const { reports, waiting } = awayFor(2)
  const stopping = new AbortController()
  expect(reports.answered(() => stopping.signal)).toBeNull()
  const first = reports.checkpoint('1')
  await expect.poll(() => waiting.length).toBe(1)
  const ended = reports.answered(() => stopping.signal)
  waiting[0]?.()
  await expect.poll(() => waiting.length).toBe(2)
  waiting[1]?.()
  await Promise.all([first, ended])
  expect(reports.answered(() => stopping.signal)).toBeNull()
})

it('at the end of a delivery that is stopped nothing is waited for', async () => {
  const { reports, waiting } = awayFor(1)
  const first = reports.checkpoint('1')
  await expect.poll(() => waiting.length).toBe(1)
  await reports.answered(() => AbortSignal.abort())
  expect(waiting).toHaveLength(1)
  waiting[0]?.()
  await first
})
