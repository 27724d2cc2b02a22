import { randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { call, runMain, startService, temporaryFolder, type RunningService } from './running-service.js'

/** A task of this type, running. */
async function runningTask(service: RunningService, type: string): Promise<string> {
  const { body } = await service.call('POST', '/tasks', { type, payload: {} })
  let status = 'queued'
  while (status !== 'running') status = (await service.call('GET', `/tasks/${body.id}?wait=0.05`)).body.status
  return body.id as string
}

describe('a shutdown', () => {
  it('of an idle service ends with 0', async () => {
    const service = await startService()
    service.child.kill('SIGTERM')
    expect(await service.ended).toBe(0)
    expect(await service.line('stopped')).toMatchObject({ outcome: 'drained', exit_code: 0 })
  })

  it('while the configuration is still loading ends with 0', async () => {
    const folder = await temporaryFolder()
    const file = join(folder, 'worker.config.mjs')
    await writeFile(
      file,
      `console.log('{"event":"loading"}'); await new Promise((done) => setTimeout(done, 3_600_000)); export default {}`,
    )
    const service = runMain(['start'], { cwd: folder, env: { WORKER_CONFIG: file } })
    await service.line('loading')
    service.child.kill('SIGTERM')
    expect(await service.ended).toBe(0)
  })

  it('is not ready, refuses submits and answers reads until the close', async () => {
    const service = await startService({ env: { SHUTDOWN_TIMEOUT: '30' } })
    const id = await runningTask(service, 'until_stopped')
    service.child.kill('SIGTERM')
    await service.line('stopping')
    const ready = await call(`${service.metricsUrl}/readyz`, 'GET')
    expect(ready).toMatchObject({ status: 503, body: { status: 'not_ready', reasons: ['draining'] } })
    expect((await call(`${service.metricsUrl}/livez`, 'GET')).status).toBe(200)
    const submit = await service.call('POST', '/tasks', { type: 'greet', payload: {} })
    expect(submit).toMatchObject({ status: 503, body: { code: 'draining' } })
    expect(Number(submit.headers.get('retry-after'))).toBeGreaterThanOrEqual(1)
    expect((await service.call('GET', `/tasks/${id}`)).body.status).toBe('running')
    expect((await service.call('POST', `/tasks/${id}/cancel`)).status).toBe(202)
    expect(await service.ended).toBe(0)
  })

  it('releases what stops on its signal, uncharged, and the next start runs it', async () => {
    const service = await startService({ env: { SHUTDOWN_TIMEOUT: '2' } })
    const id = await runningTask(service, 'until_stopped')
    service.child.kill('SIGINT')
    expect(await service.ended).toBe(0)
    expect(await service.line('stopped')).toMatchObject({ outcome: 'released' })
    const next = await startService({ folder: service.folder })
    let task = (await next.call('GET', `/tasks/${id}`)).body
    while (task.status !== 'running') task = (await next.call('GET', `/tasks/${id}?wait=0.05`)).body
    expect(task).toMatchObject({ attempts: 0, releases: 1, deliveries: 2 })
  })

  it('that has to take a task from its handler by force ends with 70', async () => {
    const service = await startService({ env: { SHUTDOWN_TIMEOUT: '1' } })
    await runningTask(service, 'deaf')
    service.child.kill('SIGTERM')
    expect(await service.ended).toBe(70)
  })

  it.each([
    ['SIGTERM', 143],
    ['SIGINT', 130],
  ] as const)('is ended by a second %s with %i', async (signal, code) => {
    const service = await startService({ env: { SHUTDOWN_TIMEOUT: '600' } })
    await runningTask(service, 'deaf')
    service.child.kill(signal)
    await service.line('stopping')
    service.child.kill(signal)
    expect(await service.ended).toBe(code)
  })

  it('answers those who wait for a task before it closes', async () => {
    const service = await startService({ env: { SHUTDOWN_TIMEOUT: '1' } })
    const id = await runningTask(service, 'deaf')
    const waiting = service.call('GET', `/tasks/${id}?wait=60`)
    service.child.kill('SIGTERM')
    // 503 where the queue closed a moment before it could be looked at once more
    expect([200, 503]).toContain((await waiting).status)
    expect(await service.ended).toBe(70)
  })

  it('answers a query under way with draining: it is no defect', async () => {
    const service = await startService({ env: { SHUTDOWN_TIMEOUT: '1', LOG_LEVEL: 'DEBUG' } })
    await runningTask(service, 'deaf')
    const asking = service.call('POST', '/queries/until_stopped', {})
    // one that is answered after it was sent: the first is under way by then
    await service.call('POST', '/queries/sum', { numbers: [1] })
    service.child.kill('SIGTERM')
    const answer = await asking
    expect(answer).toMatchObject({ status: 503, body: { code: 'draining' } })
    expect(answer.headers.get('retry-after')).toBe('5')
    await service.ended
    expect(service.lines.map((line) => line.event)).not.toContain('api_error')
  })

  it('follows at once, with 74, where the store turns out to be corrupt', async () => {
    const service = await startService()
    // in place: a truncated file that is mapped into memory would end the process before SQLite can look. At its end the log is gone
    const overwrite = (file: string, bytes: Buffer) =>
      writeFile(join(service.folder, 'data', file), bytes, { flag: 'r+' }).catch(() => undefined)
    // again and again: pages that SQLite has in its memory hide the damage for a while
    while (service.child.exitCode === null) {
      await overwrite('queue.db', randomBytes(64 * 1024))
      await overwrite('queue.db-wal', randomBytes(64 * 1024))
      await overwrite('queue.db-shm', Buffer.alloc(32 * 1024))
      await service.call('POST', '/tasks', { type: 'greet', payload: {} }).catch(() => null)
    }
    expect(await service.ended).toBe(74)
  })
})
