import { describe, expect, it } from 'vitest'
import { call as request, runMain, startService } from './running-service.js'
import { serveApi } from './served-api.js'

const memory = { env: { QUEUE_URL: 'memory:' } }
const waiting = (type: string, n: number) => ({
  tasks: Array.from({ length: n }, (_, i) => ({ type, payload: {}, id: `${type}-${i}`, delay: 3_600 })),
})

describe('POST /tasks/cancel', () => {
  it('says in a dry run what it would cancel, and then cancels just that', async () => {
    const { call } = await startService(memory)
    await call('POST', '/tasks/batch', waiting('greet', 3))
    await call('POST', '/tasks/batch', waiting('broken', 2))
    const filter = { type: 'greet', status: ['scheduled'] }
    const dry = await call('POST', '/tasks/cancel', { ...filter, dry_run: true })
    expect(dry).toMatchObject({ status: 202, body: { dry_run: true, matched: 3, changed: 0, more: false } })
    expect((await call('GET', '/tasks?status=scheduled')).body.tasks).toHaveLength(5)
    const { body } = await call('POST', '/tasks/cancel', filter)
    expect(body).toMatchObject({ dry_run: false, matched: 3, changed: 3, skipped: 0, more: false })
    expect(body.ids).toEqual(dry.body.ids)
    const left = (await call('GET', '/tasks?status=scheduled')).body.tasks
    expect(left.map(({ type }: { type: string }) => type)).toEqual(['broken', 'broken'])
  })

  it('tells tasks that run, and takes no more than its limit, the newest first', async () => {
    const { call } = await startService(memory)
    await call('POST', '/tasks', { type: 'until_stopped', payload: {}, id: 'runs' })
    await call('POST', '/tasks/batch', waiting('until_stopped', 4))
    const limited = { type: 'until_stopped', status: ['scheduled'], limit: 3 }
    const { body } = await call('POST', '/tasks/cancel', limited)
    expect(body).toMatchObject({ matched: 3, changed: 3, more: true })
    expect(body.ids).not.toContain('until_stopped-0')
    expect((await call('POST', '/tasks/cancel', { type: 'until_stopped' })).body).toMatchObject({
      changed: 2,
    })
    expect((await call('GET', '/tasks/runs?wait=20')).body.status).toBe('cancelled')
  })

  it('counts what somebody else ended meanwhile as skipped, and cancels the others all the same', async () => {
    const { worker, url } = await serveApi((real) => ({
      cancel: async (id) => {
        if (id === 'raced') await real.cancel(id)
        return real.cancel(id)
      },
    }))
    const ids = ['one', 'raced', 'two']
    await worker.submitMany(ids.map((id) => ({ type: 'health_check', payload: {}, id, delay: '1h' })))
    expect(await request(`${url}/tasks/cancel`, 'POST', { type: 'health_check' })).toMatchObject({
      status: 202,
      body: { matched: 3, changed: 2, skipped: 1 },
    })
    expect((await worker.get('two'))?.status).toBe('cancelled')
  })

  it('says that more are left where the service closes on the way', async () => {
    const { worker, url, endHeld } = await serveApi((real) => ({
      cancel: (id) => {
        endHeld()
        return real.cancel(id)
      },
    }))
    const tasks = Array.from({ length: 150 }, () => ({ type: 'health_check', payload: {}, delay: 3_600 }))
    await worker.submitMany(tasks)
    const { body } = await request(`${url}/tasks/cancel`, 'POST', { type: 'health_check' })
    expect(body).toMatchObject({ matched: 150, changed: 100, skipped: 0, more: true })
    expect((await worker.list({ status: 'scheduled', limit: 100 })).tasks).toHaveLength(50)
  })

  it('takes each task once, also one that is met in two statuses', async () => {
    // as if it had gone on between the two looks
    const { worker, url } = await serveApi((real) => ({
      list: (filter) => real.list({ ...filter, status: 'scheduled' }),
    }))
    await worker.submitMany([{ type: 'health_check', payload: {}, id: 'moves', delay: '1h' }])
    const { body } = await request(`${url}/tasks/cancel`, 'POST', { status: ['scheduled', 'queued'] })
    expect(body).toMatchObject({ matched: 1, changed: 1, skipped: 0, ids: ['moves'] })
  })

  it('goes through more tasks than a page has', async () => {
    const { call } = await startService(memory)
    for (const type of ['greet', 'broken']) await call('POST', '/tasks/batch', waiting(type, 700))
    const { body } = await call('POST', '/tasks/cancel', { status: ['scheduled'], limit: 10_000 })
    expect(body).toMatchObject({ matched: 1_400, changed: 1_400, more: false })
    expect(body.ids).toHaveLength(100)
  })

  it('takes times as conditions', async () => {
    const { call } = await startService(memory)
    await call('POST', '/tasks/batch', waiting('greet', 2))
    const cancel = async (condition: object) => (await call('POST', '/tasks/cancel', condition)).body.matched
    expect(await cancel({ created_before: '2020-01-01T00:00:00Z' })).toBe(0)
    expect(await cancel({ created_after: '2099-01-01T00:00:00Z' })).toBe(0)
    expect(
      await cancel({ created_after: '2020-01-01T00:00:00Z', created_before: '2099-01-01T00:00:00Z' }),
    ).toBe(2)
  })

  it('refuses what would be everything, and statuses that cannot be cancelled', async () => {
    const { call } = await startService(memory)
    for (const body of [{}, { dry_run: true }, { status: ['succeeded'] }, { status: [] }, { typ: 'greet' }]) {
      expect(await call('POST', '/tasks/cancel', body), JSON.stringify(body)).toMatchObject({
        status: 422,
        body: { code: 'invalid_task' },
      })
    }
  })
})

describe('POST /tasks/replay', () => {
  it('puts failed tasks back, and cancelled ones only where asked', async () => {
    const { call } = await startService(memory)
    await call('POST', '/tasks', { type: 'broken', payload: {}, id: 'failed' })
    await call('GET', '/tasks/failed?wait=20')
    await call('POST', '/tasks', { type: 'broken', payload: {}, id: 'cancelled', delay: 3_600 })
    await call('POST', '/tasks/cancelled/cancel', null)
    await call('POST', '/types/broken/pause', {})
    expect((await call('POST', '/tasks/replay', { type: 'broken' })).body).toMatchObject({ ids: ['failed'] })
    const { body } = await call('POST', '/tasks/replay', { status: ['cancelled'] })
    expect(body).toMatchObject({ ids: ['cancelled'], changed: 1 })
    const { tasks } = (await call('GET', '/tasks?status=queued')).body
    expect(tasks.map(({ id }: { id: string }) => id).toSorted()).toEqual(['cancelled', 'failed'])
  })
})

describe('mcp-worker cancel', () => {
  it('takes conditions in place of an id, not both', async () => {
    const { call, url } = await startService(memory)
    await call('POST', '/tasks/batch', waiting('greet', 2))
    const env = { MCP_WORKER_URL: url }
    const dry = runMain(['cancel', '--type', 'greet', '--status', 'scheduled', 'queued', '--dry-run'], {
      env,
    })
    expect(await dry.ended).toBe(0)
    expect(JSON.parse(dry.stdout())).toMatchObject({ dry_run: true, matched: 2 })
    const real = runMain(['cancel', '--type', 'greet'], { env })
    expect(await real.ended).toBe(0)
    expect(JSON.parse(real.stdout())).toMatchObject({ changed: 2 })
    const both = runMain(['cancel', 'greet-0', '--type', 'greet'], { env })
    expect(await both.ended).toBe(64)
    const none = runMain(['cancel'], { env })
    expect(await none.ended).toBe(1)
    expect(none.stderr()).toContain('expected at least one of type, status')
  })
})
