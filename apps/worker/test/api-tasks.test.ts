import { describe, expect, it } from 'vitest'
import { startService } from './running-service.js'

const memory = { env: { QUEUE_URL: 'memory:' } }

const echo = (text: string, more: object = {}) => ({ type: 'echo', payload: { text }, ...more })
/** A batch of n tasks. */
const many = (n: number) => ({ tasks: Array.from({ length: n }, () => ({ type: 'greet', payload: {} })) })

describe('POST /tasks', () => {
  it('answers 202 with the task and where to find it, and the task runs', async () => {
    const { call } = await startService()
    const accepted = await call('POST', '/tasks', { type: 'echo', payload: { text: 'hello' } })
    expect(accepted.status).toBe(202)
    expect(accepted.body).toEqual({
      id: expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/),
      type: 'echo',
      status: 'queued',
      created_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      duplicate: false,
    })
    expect(accepted.headers.get('location')).toBe(`/tasks/${accepted.body.id}`)
    const task = await call('GET', `/tasks/${accepted.body.id}?wait=20`)
    expect(task.status).toBe(200)
    expect(task.body).toMatchObject({
      id: accepted.body.id,
      type: 'echo',
      version: 1,
      status: 'succeeded',
      priority: 0,
      attempts: 0,
      crashes: 0,
      releases: 0,
      deliveries: 1,
      result: { text: 'hello' },
      error: null,
      created_at: accepted.body.created_at,
    })
    expect(Date.parse(task.body.finished_at)).toBeGreaterThanOrEqual(Date.parse(task.body.started_at))
  })

  it('takes every option of the contract', async () => {
    const { call } = await startService(memory)
    const run_at = '2099-01-01T00:00:00.000Z'
    const options = { priority: 7, run_at, max_attempts: 2, timeout: '24h', version: 1, id: 'my-1' }
    const expires_at = '2099-02-01T01:00:00+01:00'
    const accepted = await call('POST', '/tasks', { type: 'greet', payload: {}, ...options, expires_at })
    expect(accepted.body).toMatchObject({ id: 'my-1', status: 'scheduled' })
    const { body } = await call('GET', '/tasks/my-1')
    expect(body).toMatchObject({
      priority: 7,
      run_at,
      max_attempts: 2,
      expires_at: '2099-02-01T00:00:00.000Z',
    })
    const delayed = await call('POST', '/tasks', { type: 'greet', payload: {}, delay: 3_600 })
    const { body: later } = await call('GET', `/tasks/${delayed.body.id}`)
    const waitMs = Date.parse(later.run_at) - Date.parse(later.created_at)
    expect(Math.abs(waitMs - 3_600_000)).toBeLessThan(1_000)
  })

  it('answers a repeat with 200 and the first task: by id, or by idempotency key', async () => {
    const { call } = await startService()
    const byId = { type: 'echo', payload: { text: 'a' }, id: 'twice' }
    expect((await call('POST', '/tasks', byId)).status).toBe(202)
    expect(await call('POST', '/tasks', byId)).toMatchObject({
      status: 200,
      body: { id: 'twice', duplicate: true },
    })
    const byKey = { type: 'echo', payload: { text: 'b', any: { x: 1, y: 2 } } }
    const key = { 'idempotency-key': 'order-17' }
    const first = await call('POST', '/tasks', byKey, key)
    expect(first.status).toBe(202)
    const again = await call(
      'POST',
      '/tasks',
      '{"payload":{"any":{"y":2,"x":1},"text":"b"},"type":"echo"}',
      key,
    )
    expect(again).toMatchObject({ status: 200, body: { id: first.body.id, duplicate: true } })
    expect(again.headers.get('location')).toBe(`/tasks/${first.body.id}`)
  })

  it('answers another payload under a taken id or key with 409', async () => {
    const { call } = await startService(memory)
    const key = { 'idempotency-key': 'k' }
    await call('POST', '/tasks', echo('a', { id: 'mine' }))
    await call('POST', '/tasks', echo('a'), key)
    expect(await call('POST', '/tasks', echo('b', { id: 'mine' }))).toMatchObject({
      status: 409,
      body: { code: 'id_conflict' },
    })
    expect(await call('POST', '/tasks', echo('b'), key)).toMatchObject({
      status: 409,
      body: { code: 'idempotency_conflict' },
    })
  })

  it('answers a full queue with 429 and when to come again', async () => {
    const { call } = await startService({ ...memory, config: { limits: { maxWaiting: 2 } } })
    const later = { type: 'greet', payload: {}, delay: '1h' }
    await call('POST', '/tasks', later)
    await call('POST', '/tasks', later)
    const refused = await call('POST', '/tasks', later)
    expect(refused).toMatchObject({ status: 429, body: { code: 'queue_full' } })
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThanOrEqual(1)
  })
})

describe('POST /tasks/batch', () => {
  it('accepts all, in order', async () => {
    const { call } = await startService()
    const tasks = ['a', 'b', 'c'].map((text) => ({ type: 'echo', payload: { text }, id: `t-${text}` }))
    const accepted = await call('POST', '/tasks/batch', { tasks })
    expect(accepted.status).toBe(202)
    expect(accepted.body.tasks.map((one: { id: string }) => one.id)).toEqual(['t-a', 't-b', 't-c'])
    expect((await call('GET', '/tasks/t-c?wait=20')).body.result).toEqual({ text: 'c' })
    expect((await call('POST', '/tasks/batch', { tasks })).status).toBe(200)
  })

  it('accepts none where one is refused, with a fault for each', async () => {
    const { call } = await startService(memory)
    const tasks = [
      { type: 'echo', payload: { text: 'fine' }, id: 'fine' },
      { type: 'echo', payload: { text: 1 } },
      { type: 'nope', payload: {} },
    ]
    const refused = await call('POST', '/tasks/batch', { tasks })
    expect(refused.status).toBe(422)
    expect(refused.body.faults.map((one: { path: string }) => one.path)).toEqual([
      'tasks[1].payload.text',
      'tasks[2]',
    ])
    expect((await call('GET', '/tasks/fine')).status).toBe(404)
  })

  it('takes 1 to 1,000 tasks', async () => {
    const { call } = await startService(memory)
    expect((await call('POST', '/tasks/batch', many(1_000))).status).toBe(202)
    expect((await call('POST', '/tasks/batch', many(1_001))).status).toBe(422)
    expect((await call('POST', '/tasks/batch', many(0))).status).toBe(422)
  })

  it('refuses an idempotency key, which it could not keep', async () => {
    const { call } = await startService(memory)
    const body = { tasks: [{ type: 'greet', payload: {} }] }
    const refused = await call('POST', '/tasks/batch', body, { 'idempotency-key': 'k' })
    expect(refused).toMatchObject({ status: 400, body: { code: 'invalid_parameter' } })
  })
})

describe('GET /tasks/{id}', () => {
  it('holds with wait until the task is final', async () => {
    const { call } = await startService(memory)
    const { body } = await call('POST', '/tasks', { type: 'until_stopped', payload: {} })
    const waiting = call('GET', `/tasks/${body.id}?wait=60`)
    expect((await call('POST', `/tasks/${body.id}/cancel`)).status).toBe(202)
    expect((await waiting).body.status).toBe('cancelled')
  })

  it('answers the task as it stands when the wait is over', async () => {
    const { call } = await startService(memory)
    const { body } = await call('POST', '/tasks', { type: 'until_stopped', payload: {} })
    const task = await call('GET', `/tasks/${body.id}?wait=0.2`)
    expect(task).toMatchObject({ status: 200, body: { status: 'running' } })
  })

  it('shows progress, and of a failed task its error', async () => {
    const { call } = await startService(memory)
    const steps = await call('POST', '/tasks', { type: 'steps', payload: { total: 3 } })
    const { body: done } = await call('GET', `/tasks/${steps.body.id}?wait=20`)
    expect(done.progress).toMatchObject({ done: 3, total: 3 })
    const broken = await call('POST', '/tasks', { type: 'broken', payload: {} })
    expect((await call('GET', `/tasks/${broken.body.id}?wait=20`)).body).toMatchObject({
      status: 'failed',
      failure_reason: 'non_retryable',
      attempts: 1,
      error: { code: 'handler_failed', message: expect.stringContaining('it is broken') },
      result: null,
    })
  })
})

describe('GET /tasks', () => {
  it('pages through all tasks, newest first, without a gap or a repeat', async () => {
    const { call } = await startService(memory)
    const ids = Array.from({ length: 7 }, (_, i) => `t-${i}`)
    for (const id of ids) await call('POST', '/tasks', { type: 'greet', payload: {}, id, delay: '1h' })
    const seen: string[] = []
    let cursor: string | null = ''
    while (cursor !== null) {
      const page: { body: { tasks: { id: string }[]; cursor: string | null } } = await call(
        'GET',
        `/tasks?limit=3${cursor === '' ? '' : `&cursor=${encodeURIComponent(cursor)}`}`,
      )
      seen.push(...page.body.tasks.map((one) => one.id))
      cursor = page.body.cursor
    }
    expect(seen).toEqual(ids.toReversed())
  })

  it('filters by status and type, and leaves results out', async () => {
    const { call } = await startService(memory)
    await call('POST', '/tasks', { type: 'greet', payload: {}, id: 'later', delay: '1h' })
    await call('POST', '/tasks', { type: 'echo', payload: { text: 'x' }, id: 'done' })
    await call('GET', '/tasks/done?wait=20')
    const idsOf = async (query: string) =>
      (await call('GET', `/tasks?${query}`)).body.tasks.map((one: { id: string }) => one.id)
    expect(await idsOf('status=scheduled')).toEqual(['later'])
    expect(await idsOf('type=echo')).toEqual(['done'])
    expect(await idsOf('type=echo&status=failed')).toEqual([])
    expect((await call('GET', '/tasks?type=echo')).body.tasks[0]).not.toHaveProperty('result')
  })
})

describe('steering', () => {
  it('cancels a waiting task at once and replays it', async () => {
    const { call } = await startService()
    await call('POST', '/tasks', { type: 'greet', payload: {}, id: 't', delay: '1h' })
    expect(await call('POST', '/tasks/t/replay')).toMatchObject({
      status: 409,
      body: { code: 'not_replayable' },
    })
    expect(await call('POST', '/tasks/t/cancel')).toMatchObject({
      status: 202,
      body: { outcome: 'cancelled' },
    })
    expect(await call('POST', '/tasks/t/cancel')).toMatchObject({
      status: 409,
      body: { code: 'already_final' },
    })
    expect(await call('POST', '/tasks/t/replay')).toMatchObject({
      status: 202,
      body: { outcome: 'replayed' },
    })
    expect((await call('GET', '/tasks/t?wait=20')).body).toMatchObject({
      status: 'succeeded',
      result: 'hello',
    })
  })

  it('pauses a type and lets it go on', async () => {
    const { call } = await startService(memory)
    expect((await call('POST', '/types/greet/pause')).body).toEqual({ type: 'greet', paused: true })
    await call('POST', '/tasks', { type: 'greet', payload: {}, id: 't' })
    expect((await call('GET', '/tasks/t?wait=0.3')).body.status).toBe('queued')
    const { types } = (await call('GET', '/types')).body
    expect(types.find((one: { type: string }) => one.type === 'greet')).toMatchObject({
      paused: true,
      plugin: { name: '@test/plugin', version: '1.2.3', host: 'inline' },
      versions: [1],
      timeout: 300,
    })
    expect((await call('POST', '/types/greet/resume')).body).toEqual({ type: 'greet', paused: false })
    expect((await call('GET', '/tasks/t?wait=20')).body.status).toBe('succeeded')
  })

  it('asks queries', async () => {
    const { call } = await startService(memory)
    expect(await call('POST', '/queries/sum', { numbers: [1, 2.5] })).toMatchObject({
      status: 200,
      body: 3.5,
    })
    const bad = await call('POST', '/queries/sum', { numbers: ['x'] })
    expect(bad).toMatchObject({ status: 422, body: { code: 'invalid_input' } })
    expect(bad.body.faults).toEqual([expect.objectContaining({ path: 'numbers[0]' })])
    expect(await call('POST', '/queries/refuse', {})).toMatchObject({
      status: 503,
      body: { code: 'query_failed' },
    })
    expect(await call('POST', '/queries/refus', {})).toMatchObject({
      status: 404,
      body: { code: 'unknown_query', detail: expect.stringContaining('did you mean refuse?') },
    })
    expect((await call('GET', '/queries')).body.queries.map((one: { name: string }) => one.name)).toEqual([
      'sum',
      'until_stopped',
      'refuse',
    ])
  })
})
