import { once } from 'node:events'
import { describe, expect, it } from 'vitest'
import { failing, refusal, wordsWorkers } from './words-worker.js'

const { made, onDisk, started } = wordsWorkers()

describe('submitting', () => {
  it('gives a handle whose result is the handler’s', async () => {
    const { worker } = await started()
    const task = await worker.submit('shout', { word: 'ja' })
    expect(task).toMatchObject({ type: 'shout', status: 'queued', duplicate: false })
    expect(await task.result()).toEqual({ word: 'JA' })
    expect(await worker.get(task.id)).toMatchObject({ status: 'succeeded', deliveries: 1, attempts: 0 })
  })

  it('the result of a failed task is its error, with the handler’s code', async () => {
    const { worker } = await started()
    const task = await worker.submit('refuse', {})
    await expect(task.result()).rejects.toThrow(/never/)
    expect(await worker.get(task.id)).toMatchObject({ status: 'failed', error: { code: 'NO_WORDS' } })
  })

  it('the result of a cancelled task rejects with cancelled', async () => {
    const { worker, events } = await started()
    const running = once(events, 'until_aborted')
    const task = await worker.submit('until_aborted', {})
    await running
    const result = refusal(task.result())
    expect(await worker.cancel(task.id)).toBe('requested')
    expect((await result).code).toBe('cancelled')
    expect((await refusal(worker.cancel(task.id))).code).toBe('already_final')
  })

  it('stops waiting for a result when its signal says so; the task runs on', async () => {
    const { worker, events } = await started()
    const running = once(events, 'until_aborted')
    const task = await worker.submit('until_aborted', {})
    await running
    const reason = new Error('enough')
    await expect(task.result({ signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
    expect(await worker.get(task.id)).toMatchObject({ status: 'running' })
  })

  it('of a bad payload all faults are told, with their paths', async () => {
    const { worker } = await started()
    const bad: object = { word: 7, more: true }
    const { code, faults } = await refusal(worker.submit('shout', bad as { word: string }))
    expect(code).toBe('invalid_payload')
    expect(faults.map(({ path }) => path).toSorted()).toEqual(['payload.more', 'payload.word'])
  })

  it('takes fractions of a millisecond as whole ones, and refuses a delay beyond all dates', async () => {
    const { worker } = await started({ queue: onDisk() })
    await worker.pause('shout')
    const odd = await worker.submit('shout', { word: 'a' }, { timeout: 0.5, delay: 1000.5 })
    const task = await worker.get(odd.id)
    expect(task).toMatchObject({ status: 'scheduled', timeoutMs: 1 })
    expect(Number.isInteger(task?.runAt)).toBe(true)
    for (const option of [{ delay: 1e17 }, { delay: 1e300 }, { timeout: 1e300 }]) {
      const { code, faults } = await refusal(worker.submit('shout', { word: 'a' }, option))
      expect([code, faults[0]?.path]).toEqual(['invalid_task', Object.keys(option)[0]])
    }
  })

  it('takes all tasks of one call or none, and names the faults of each', async () => {
    const { worker } = await started()
    const good = { type: 'shout', payload: { word: 'a' } }
    const { faults } = await refusal(
      worker.submitMany([good, { type: 'shot', payload: {} }, { type: 'shout', payload: { word: 1 } }]),
    )
    expect(faults.map(({ path }) => path)).toEqual(['tasks[1]', 'tasks[2].payload.word'])
    expect(await worker.list({ limit: 10 })).toMatchObject({ tasks: [] })
    const accepted = await worker.submitMany([good, good])
    expect(accepted.map(({ duplicate }) => duplicate)).toEqual([false, false])
  })

  it('refuses before the start and after the stop, each with its reason', async () => {
    const { worker } = made()
    expect((await refusal(worker.submit('shout', { word: 'a' }))).code).toBe('queue_closed')
    expect(worker.notReady()).toEqual(['starting'])
    await worker.start()
    expect(worker.notReady()).toEqual([])
    const stopping = worker.stop()
    expect(worker.notReady()).toEqual(['draining'])
    const { code, retryAfterMs } = await refusal(worker.submit('shout', { word: 'a' }))
    expect([code, retryAfterMs]).toEqual(['draining', 5000])
    expect(await stopping).toBe('drained')
  })
})

describe('reading and steering', () => {
  it('waits until a task is final, or the time is up', async () => {
    const { worker, events } = await started()
    const running = once(events, 'until_aborted')
    const { id } = await worker.submit('until_aborted', {})
    await running
    expect(await worker.wait(id, { timeoutMs: 20 })).toMatchObject({ status: 'running' })
    const final = worker.wait(id, { timeoutMs: 60_000 })
    await worker.cancel(id)
    expect(await final).toMatchObject({ status: 'cancelled' })
    expect(await worker.wait('nobody', { timeoutMs: 60_000 })).toBeNull()
  })

  it('a pause of health checks outlives a health check', async () => {
    const { worker } = await started()
    await worker.pause('health_check')
    await worker.checkHealth()
    expect((await worker.counts()).paused).toEqual(['health_check'])
  })

  it('keeps a paused type waiting, and counts it', async () => {
    const { worker } = await started()
    await worker.pause('shout')
    const task = await worker.submit('shout', { word: 'a' })
    expect(await worker.counts()).toMatchObject({ byType: { shout: { queued: 1 } }, paused: ['shout'] })
    const paused = (await worker.types()).filter((type) => type.paused).map(({ type }) => type)
    expect(paused).toEqual(['shout'])
    await worker.resume('shout')
    expect(await task.result()).toEqual({ word: 'A' })
  })

  it('replays what failed, on purpose only', async () => {
    const { worker } = await started()
    const task = await worker.submit('refuse', {})
    await worker.wait(task.id, { timeoutMs: 60_000 })
    await worker.replay(task.id)
    expect(await worker.wait(task.id, { timeoutMs: 60_000 })).toMatchObject({ status: 'failed', attempts: 2 })
    const good = await worker.submit('shout', { word: 'a' })
    await good.result()
    expect((await refusal(worker.replay(good.id))).code).toBe('not_replayable')
    expect((await refusal(worker.replay('nobody'))).code).toBe('not_found')
  })

  it('answers queries, and tells of them and of its types', async () => {
    const { worker } = await started()
    expect(await worker.query('length_of', { word: 'four' })).toEqual({ length: 4 })
    const bad: object = { word: 4 }
    expect(await refusal(worker.query('length_of', bad as { word: string }))).toMatchObject({
      code: 'invalid_input',
      faults: [{ path: 'word' }],
    })
    expect(worker.queries()).toMatchObject([{ name: 'length_of', plugin: { version: '2.3.4' } }])
    const types = (await worker.types()).map(({ type }) => type)
    expect(types).toEqual(['shout', 'refuse', 'until_aborted', 'deaf', 'health_check'])
  })

  it('a failing plugin makes it unhealthy, by name', async () => {
    const word = { health: () => {} }
    const { worker } = await started({ word })
    expect(worker.lastHealth()).toMatchObject({ ok: true })
    word.health = failing('no words left')
    const report = await worker.checkHealth()
    const failed = report.checks.filter(({ ok }) => !ok)
    expect(failed).toEqual([
      { name: 'plugin:@acme/handler-words', ok: false, detail: { error: 'no words left' } },
    ])
    expect(worker.lastHealth()).toBe(report)
  })
})
