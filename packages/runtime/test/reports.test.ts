import { expect, it } from 'vitest'
import { createLogger } from '../src/logger.js'
import type { Report } from '../src/queue.js'
import { createReports } from '../src/reports.js'

function reporting() {
  const written: Report[] = []
  const reports = createReports(
    { fence: '1:1', taskId: 'one', type: 'alpha' },
    {
      queue: {
        record: async (_fence: string, report: Report) => {
          written.push(report)
          return 'recorded' as const
        },
      },
      logger: createLogger({ destination: { write: () => {} } }),
      submit: async () => ({ id: '', duplicate: false }),
      onAct: () => {},
      onLost: () => {},
    },
  )
  return { reports, written }
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
