import type { LogLine, Task } from '@mcp-worker/runtime'
import { describe, expect, it, onTestFinished } from 'vitest'
import { fromEventId, newsOf, toEventId } from '../dist/api/task-news.js'
import { madeTask } from './made-task.js'
import { startService } from './running-service.js'
import { serveApi } from './served-api.js'

interface Heard {
  readonly id: string | null
  readonly event: string
  readonly data: Record<string, unknown>
}

/** Reads a stream of server-sent events as they come. */
async function* listen(url: string, headers: Record<string, string> = {}): AsyncGenerator<Heard> {
  const leaving = new AbortController()
  onTestFinished(() => leaving.abort())
  const response = await fetch(url, { headers, signal: leaving.signal })
  expect(response.headers.get('content-type')).toBe('text/event-stream')
  let text = ''
  for await (const chunk of response.body ?? []) {
    text += Buffer.from(chunk).toString()
    for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
      const fields = new Map(
        text
          .slice(0, end)
          .split('\n')
          .map((line) => line.split(/: (.*)/, 2) as [string, string]),
      )
      text = text.slice(end + 2)
      const data = fields.get('data')
      if (data !== undefined)
        yield { id: fields.get('id') ?? null, event: fields.get('event') ?? '', data: JSON.parse(data) }
    }
  }
}

async function all(events: AsyncGenerator<Heard>): Promise<Heard[]> {
  const heard: Heard[] = []
  for await (const event of events) heard.push(event)
  return heard
}

describe('GET /tasks/:id/events', () => {
  it('tells what happens to a task until its end, the result with it', async () => {
    const { call, url } = await startService()
    await call('POST', '/types/steps/pause', {})
    await call('POST', '/tasks', { type: 'steps', payload: { total: 3 }, id: 'watched' })
    const events = listen(`${url}/tasks/watched/events`)
    expect((await events.next()).value).toMatchObject({ event: 'status', data: { status: 'queued' } })
    await call('POST', '/types/steps/resume', {})
    const heard = await all(events)
    expect(heard.find(({ event }) => event === 'progress')?.data).toMatchObject({ done: 3, total: 3 })
    expect(heard.at(-1)).toMatchObject({
      event: 'status',
      data: { id: 'watched', status: 'succeeded', result: null },
    })
  })

  it('asks proxies not to gather its events', async () => {
    const { call, url } = await startService()
    await call('POST', '/tasks', { type: 'greet', payload: {}, id: 'greeted' })
    const response = await fetch(`${url}/tasks/greeted/events`)
    expect(response.headers.get('x-accel-buffering')).toBe('no')
    expect(response.headers.get('cache-control')).toBe('no-store')
    await response.text()
  })

  it('goes on after the last event that was heard, at another worker too', async () => {
    const { call, url, folder } = await startService()
    await call('POST', '/tasks', { type: 'until_stopped', payload: {}, id: 'long' })
    const first = listen(`${url}/tasks/long/events`)
    let last: Heard | undefined
    while (last?.data['status'] !== 'running') last = (await first.next()).value as Heard
    const other = await startService({ folder })
    const second = listen(`${other.url}/tasks/long/events`, { 'last-event-id': last.id ?? '' })
    const next = second.next()
    await call('POST', '/tasks/long/cancel', null)
    const heard = [(await next).value as Heard, ...(await all(second))]
    expect(
      heard.filter(({ data }) => data['status'] === 'running' && data['cancel_requested'] === false),
    ).toEqual([])
    expect(heard.at(-1)?.data).toMatchObject({ status: 'cancelled' })
  })

  it('says 204 where all was told, so that a browser stops asking', async () => {
    const { call, url } = await startService()
    await call('POST', '/tasks', { type: 'greet', payload: {}, id: 'short' })
    await call('GET', '/tasks/short?wait=20')
    const heard = await all(listen(`${url}/tasks/short/events`))
    expect(heard.map(({ event }) => event)).toEqual(['status'])
    const headers = { 'last-event-id': heard[0]?.id ?? '' }
    expect((await fetch(`${url}/tasks/short/events`, { headers })).status).toBe(204)
    // an id that is none of ours: from the beginning
    const anew = await all(listen(`${url}/tasks/short/events`, { 'last-event-id': 'nonsense' }))
    expect(anew.map(({ event }) => event)).toEqual(['status'])
  })

  it('of a HEAD follows nothing', async () => {
    let looks = 0
    const { worker, url } = await serveApi((real) => ({
      wait: (...wait) => {
        looks++
        return real.wait(...wait)
      },
    }))
    await worker.submitMany([{ type: 'health_check', payload: {}, id: 'later', delay: '1h' }])
    const head = await fetch(`${url}/tasks/later/events`, { method: 'HEAD' })
    expect([head.status, head.headers.get('content-type')]).toEqual([200, 'text/event-stream'])
    // this one looks too, once, and for long enough to see another that does
    await (await fetch(`${url}/tasks/later?wait=1.2`)).json()
    expect(looks).toBe(1)
  })

  it('ends where waits are answered at once, as by a worker that closes: it would ask again without rest', async () => {
    let looks = 0
    const { worker, url } = await serveApi((real) => ({
      wait: (id) => {
        if (++looks === 100) throw new Error('asked 100 times')
        return real.get(id)
      },
    }))
    await worker.submitMany([{ type: 'health_check', payload: {}, id: 'later', delay: '1h' }])
    const heard = await all(listen(`${url}/tasks/later/events`))
    expect(heard.map(({ event }) => event)).toEqual(['status'])
    expect(looks).toBe(1)
  })

  it('ends when the service stops, and answers 404 for a task that is not there', async () => {
    const { call, url, child } = await startService()
    expect((await fetch(`${url}/tasks/nobody/events`)).status).toBe(404)
    await call('POST', '/tasks', { type: 'greet', payload: {}, id: 'later', delay: 3_600 })
    const events = listen(`${url}/tasks/later/events`)
    await events.next()
    child.kill('SIGTERM')
    expect((await events.next()).done).toBe(true)
  })
})

const line = (at: number, event: string): LogLine => ({ at, level: 'info', event })
const running = (fields: Partial<Task>) => madeTask({ status: 'running', deliveries: 1, ...fields })

describe('what there is to say of a task', () => {
  const NOTHING = fromEventId(undefined)
  const said = (task: Task, told = NOTHING) =>
    newsOf(task, told).events.map(({ event, data }) => [event, data])
  const lines = (task: Task, told = NOTHING) =>
    said(task, told).flatMap(([event, data]) => (event === 'log' ? [JSON.parse(data ?? '').event] : []))

  it('is each line once, also of many that are alike and of one moment', () => {
    const log = [line(1, 'a'), line(2, 'b'), line(2, 'b')]
    const { told } = newsOf(running({ log }), NOTHING)
    expect(lines(running({ log }))).toEqual(['a', 'b', 'b'])
    expect(lines(running({ log }), told)).toEqual([])
    expect(lines(running({ log: [...log, line(2, 'b'), line(1, 'c')] }), told)).toEqual(['b', 'c'])
  })

  it('is all lines where the last one told is not kept any more', () => {
    const { told } = newsOf(running({ log: [line(1, 'a')] }), NOTHING)
    expect(lines(running({ log: [line(5, 'x'), line(6, 'y')] }), told)).toEqual(['x', 'y'])
  })

  it('is nothing again through the id of the last event', () => {
    const task = running({ log: [line(1, 'a')], progress: { done: 1, total: 2, note: 'é' } })
    const id = toEventId(newsOf(task, NOTHING).told)
    expect(id).toMatch(/^[\w-]+$/)
    expect(newsOf(task, fromEventId(id)).events).toEqual([])
  })

  it('of a task that ended the status comes last, else first', () => {
    const fields = { log: [line(1, 'a')], progress: { done: 1, total: null, note: null } }
    expect(said(running(fields)).map(([event]) => event)).toEqual(['status', 'log', 'progress'])
    const ended = running({ ...fields, status: 'succeeded', result: '1', finishedAt: 1 })
    expect(said(ended).map(([event]) => event)).toEqual(['log', 'progress', 'status'])
  })
})
