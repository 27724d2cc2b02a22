import type { QueueCounts, Task, TypeInfo } from '@mcp-worker/runtime'
import { describe, expect, it } from 'vitest'
import { explainTask } from '../dist/api/explain.js'
import { madeTask } from './made-task.js'
import { startService } from './running-service.js'

const NOW = Date.parse('2026-03-01T12:00:00Z')

const echo: TypeInfo = {
  type: 'echo',
  plugin: { name: '@test/plugin', version: '1.0.0', host: 'inline' },
  description: null,
  versions: [1, 2],
  payload: {},
  result: {},
  timeoutMs: 1,
  maxAttempts: 5,
  concurrency: 4,
  paused: false,
}

function reasons(fields: Partial<Task>, counts: Partial<QueueCounts> = {}, types: TypeInfo[] = [echo]) {
  return explained(fields, { counts: { ...noCounts, ...counts }, types })
}

const noCounts = { byType: {}, waiting: [], oldestReadyAt: null, paused: [], suspects: 0 }

function explained(fields: Partial<Task>, seen: Partial<Parameters<typeof explainTask>[1]>) {
  const all = { counts: noCounts, types: [echo], now: NOW, runsTasks: true, ...seen }
  return explainTask(madeTask({ readyAt: NOW, ...fields }), all).map(({ code, message }) => [code, message])
}

describe('the reasons why a task is not running', () => {
  it('of a final task: how and when it ended, and what brings it back', () => {
    const finishedAt = NOW
    expect(reasons({ status: 'succeeded', finishedAt })).toEqual([
      ['final', 'It has ended: succeeded at 2026-03-01T12:00:00.000Z'],
    ])
    const error = { code: 'timed_out', message: 'x' }
    expect(reasons({ status: 'failed', failureReason: 'exhausted', error, finishedAt })).toEqual([
      [
        'final',
        'It has ended: failed at 2026-03-01T12:00:00.000Z (exhausted, timed_out); a replay puts it back',
      ],
    ])
  })

  it('of one that runs: since when, and whether it was told to stop', () => {
    const running = { status: 'running', startedAt: NOW, deliveries: 2 } as const
    const since = ['running', 'It runs: since 2026-03-01T12:00:00.000Z, as delivery 2']
    expect(reasons(running)).toEqual([since])
    expect(reasons({ ...running, cancelRequested: true })).toEqual([
      since,
      ['cancel_requested', 'Its cancel was requested; its handler is told'],
    ])
  })

  it('all that hold it, at once', () => {
    const later = { readyAt: NOW + 60_000 }
    expect(reasons({ status: 'scheduled', ...later, version: 3 }, { paused: ['echo'] })).toEqual([
      ['scheduled', 'It may not start yet: not before 2026-03-01T12:01:00.000Z'],
      ['paused', 'Its type is paused: mcp-worker resume echo (POST /types/echo/resume) lets it go on'],
      [
        'unknown_version',
        'This worker cannot run its version of the payload: 3; @test/plugin here knows 1, 2',
      ],
    ])
    expect(reasons({}, {}, [])).toEqual([
      ['unknown_type', 'This worker has no plugin with its type: echo; another worker may have it'],
    ])
  })

  it('of one that is tried again: what failed, and when it goes on', () => {
    const error = { code: 'handler_failed', message: 'x' }
    expect(reasons({ status: 'retrying', attempts: 2, error, readyAt: NOW + 1 })).toEqual([
      [
        'retrying',
        'An attempt failed, and the next one may not start yet: attempt 2 of 5 ended with handler_failed, again at 2026-03-01T12:00:00.001Z',
      ],
    ])
  })

  it('of one that could run: how many wait with it', () => {
    const byType = { echo: { queued: 3, running: 9 }, other: { queued: 4 } }
    expect(reasons({ priority: 5 }, { byType })).toEqual([
      ['waiting', 'It could run, and waits for a free slot: behind 6 others at most, its priority is 5'],
    ])
    const [[, message] = []] = reasons({}, { byType, suspects: 2 })
    expect(message).toContain('2 that a worker died under run alone')
  })

  it('of one that could run, told by a worker that only accepts: that others must be up', () => {
    const [[code, message] = []] = explained({}, { runsTasks: false })
    expect(code).toBe('waiting')
    expect(message).toContain('this worker only accepts (WORKER_ROLE api), others run tasks')
    expect(message).toContain('at the moment none runs any: is one up?')
    const counts = { ...noCounts, byType: { echo: { queued: 3, running: 1 } } }
    const [[, busy] = []] = explained({}, { runsTasks: false, counts })
    expect(busy).toContain('this worker only accepts')
    expect(busy).not.toContain('is one up?')
  })
})

describe('GET /tasks/:id/explain', () => {
  it('explains a task as the worker sees it', async () => {
    const { call } = await startService({ env: { QUEUE_URL: 'memory:' } })
    await call('POST', '/types/greet/pause', {})
    await call('POST', '/tasks', { type: 'greet', payload: {}, id: 'held', delay: 3_600 })
    const { status, body } = await call('GET', '/tasks/held/explain')
    expect(status).toBe(200)
    expect(body).toMatchObject({ id: 'held', status: 'scheduled' })
    expect(body.reasons.map(({ code }: { code: string }) => code)).toEqual(['scheduled', 'paused'])
  })

  it('answers 404 for a task that is not there', async () => {
    const { call } = await startService({ env: { QUEUE_URL: 'memory:' } })
    expect(await call('GET', '/tasks/nobody/explain')).toMatchObject({
      status: 404,
      body: { code: 'not_found' },
    })
  })
})
