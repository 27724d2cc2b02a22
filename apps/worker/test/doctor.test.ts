import { once } from 'node:events'
import { readFile, stat, truncate, writeFile } from 'node:fs/promises'
import { type AddressInfo, createServer } from 'node:net'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { describe, expect, it, onTestFinished } from 'vitest'
import { CHECKS, type Finding } from '../dist/cli/doctor/finding.js'
import { checkMemory, checkNode } from '../dist/cli/doctor/process.js'
import { FIXTURE, type RunningService, runMain, startService, temporaryFolder } from './running-service.js'

const FREE = { API_PORT: '0', METRICS_PORT: '0' }

/** What doctor says with these variables; the fixture is the only plugin unless they say otherwise. */
async function doctor(env: Readonly<Record<string, string>> = {}, config: Record<string, unknown> = {}) {
  const folder = await temporaryFolder()
  const file = join(folder, 'worker.config.json')
  await writeFile(file, JSON.stringify({ plugins: [{ package: FIXTURE }], ...config }))
  const running = runMain(['doctor', '--json'], {
    env: { WORKER_CONFIG: file, ...FREE, ...env },
    cwd: folder,
  })
  const code = await running.ended
  const { ok, findings } = JSON.parse(running.stdout()) as { ok: boolean; findings: readonly Finding[] }
  expect(code, running.stdout()).toBe(ok ? 0 : 1)
  return {
    findings,
    of: (check: string) => findings.filter((one) => one.check === check),
    // how fast the disk of this machine is at this moment is no matter of the test
    bad: () =>
      findings.filter(
        ({ check, status }) => status === 'fault' || (status === 'warning' && check !== 'file_system'),
      ),
  }
}

const dataOf = ({ folder }: RunningService) => join(folder, 'data')

/** The data folder of a worker that was stopped; it kept one task. */
async function stoppedQueue(): Promise<string> {
  const service = await startService()
  await service.call('POST', '/tasks', { type: 'echo', payload: { text: 'kept' }, id: 'kept', delay: 3_600 })
  service.child.kill('SIGTERM')
  await service.ended
  return dataOf(service)
}

describe('mcp-worker doctor', () => {
  it('finds a schedule whose tasks would be refused', async () => {
    const schedules = [{ name: 'nightly', type: 'echo', payload: { text: 1 }, cron: '0 3 * * *' }]
    const { of } = await doctor({}, { schedules })
    expect(of('plugins')).toMatchObject([
      { status: 'fault', detail: expect.stringContaining('schedules[0].payload.text: nightly: ') },
    ])
  })

  it('finds nothing wrong before the first start, makes every check, and leaves nothing behind', async () => {
    const folder = await temporaryFolder()
    const { findings, bad } = await doctor({ DATA_DIR: join(folder, 'data') })
    expect(bad()).toEqual([])
    expect(new Set(findings.map(({ check }) => check))).toEqual(new Set(CHECKS))
    await expect(stat(join(folder, 'data'))).rejects.toThrow('ENOENT')
  })

  it('finds nothing wrong with a running worker, and says that it is healthy', async () => {
    const service = await startService()
    const { of, bad } = await doctor({
      DATA_DIR: dataOf(service),
      API_PORT: String(service.port),
      METRICS_PORT: new URL(service.metricsUrl).port,
    })
    expect(bad()).toEqual([])
    expect(of('queue_file')[0]?.detail).toContain('open in 1 worker')
    expect(of('metrics_port')[0]?.detail).toContain('a worker answers there')
    expect(of('api_port')[0]?.detail).toContain('a worker answers there')
    expect(of('health')[0]?.detail).toContain('healthy')
  })

  it('prints a line per check, and what to do under each fault', async () => {
    const running = runMain(['doctor'], { env: { ...FREE, WORKER_CONCURRENCY: 'many' } })
    expect(await running.ended).toBe(1)
    expect(running.stdout()).toMatch(
      /^FAULT {3}configuration: WORKER_CONCURRENCY: .*\n {8}→ Set WORKER_CONCURRENCY/m,
    )
    expect(running.stdout()).toMatch(/^1 fault, 0 warnings$/m)
  })

  it.each([
    ['20.20.2', 'fault'],
    ['22.17.0', 'fault'],
    ['22.18.0', 'warning'],
    ['24.21.0', 'ok'],
  ])('node: %s is a %s', (nodeVersion, status) => {
    expect(checkNode({ nodeVersion, sqliteVersion: '3.53.4', memoryLimit: null }).status).toBe(status)
  })

  it('memory: a limit of 256 MiB is a warning', () => {
    const machine = { nodeVersion: '24.21.0', sqliteVersion: '3' }
    expect(checkMemory({ ...machine, memoryLimit: 256 * 1024 * 1024 }).status).toBe('warning')
    expect(checkMemory({ ...machine, memoryLimit: 1024 ** 3 }).status).toBe('ok')
  })

  it('configuration: every fault is a finding of its own, a misspelt variable a warning', async () => {
    const { of } = await doctor({ API_PORT: 'abc', TASK_TIMEOUT: 'long', WORKER_CONCURENCY: '3' })
    expect(of('configuration').map(({ status, detail }) => [status, detail.split(/[: ]/)[0]])).toEqual([
      ['fault', 'API_PORT'],
      ['fault', 'TASK_TIMEOUT'],
      ['warning', 'WORKER_CONCURENCY'],
    ])
  })

  it('plugins: two with one type are a fault, by the handshake of the worker itself', async () => {
    const { of } = await doctor({}, { plugins: [{ package: FIXTURE }, { package: FIXTURE }] })
    expect(of('plugins')[0]).toMatchObject({
      status: 'fault',
      detail: expect.stringContaining('@test/plugin'),
    })
  })

  it('data_dir: a file in its place is a fault', async () => {
    const file = join(await temporaryFolder(), 'file')
    await writeFile(file, '')
    const { of } = await doctor({ DATA_DIR: file })
    expect(of('data_dir')[0]).toMatchObject({ status: 'fault', detail: expect.stringContaining('is a file') })
  })

  it('disk, file_system: a file system without room, where no file can be made, is a fault in both', async () => {
    const { of } = await doctor({ DATA_DIR: '/proc/mcp-worker' })
    expect(of('disk')[0]).toMatchObject({ status: 'fault', detail: expect.stringContaining('0 MiB free') })
    expect(of('file_system')[0]).toMatchObject({ status: 'fault' })
  })

  it('queue_file: one that was cut off is a fault with the remedy', async () => {
    const dataDir = await stoppedQueue()
    const path = join(dataDir, 'queue.db')
    await truncate(path, (await stat(path)).size - 4_096)
    const { of } = await doctor({ DATA_DIR: dataDir })
    expect(of('queue_file')).toEqual([
      {
        check: 'queue_file',
        status: 'fault',
        detail: expect.stringContaining('store_failed'),
        remedy: expect.stringContaining('mcp-worker restore FILE'),
      },
    ])
  })

  it('queue_file: one of a newer version is a fault, a damaged task is a fault that names it', async () => {
    const dataDir = await stoppedQueue()
    const db = new DatabaseSync(join(dataDir, 'queue.db'))
    db.exec(`UPDATE bodies SET payload = '{}'`)
    const damaged = await doctor({ DATA_DIR: dataDir })
    expect(damaged.of('queue_file')[0]).toMatchObject({
      status: 'fault',
      detail: expect.stringContaining('(kept)'),
    })
    db.exec('PRAGMA user_version = 99')
    db.close()
    const newer = await doctor({ DATA_DIR: dataDir })
    expect(newer.of('queue_file')[0]).toMatchObject({
      status: 'fault',
      detail: expect.stringContaining('store_newer'),
    })
  })

  it('tasks: what no plugin can run, what is paused, what waits for long and what failed are warnings', async () => {
    const service = await startService()
    const { body } = await service.call('POST', '/tasks', { type: 'broken', payload: {} })
    await service.call('GET', `/tasks/${body.id}?wait=10`)
    await service.call('POST', '/tasks', { type: 'echo', payload: { text: 'x' }, delay: 3_600 })
    service.child.kill('SIGTERM')
    await service.ended
    const db = new DatabaseSync(join(dataOf(service), 'queue.db'))
    db.exec(`INSERT INTO paused VALUES ('steps')`)
    db.exec(`UPDATE tasks SET status = 'queued', ready_at = ready_at - 7200000 WHERE type = 'echo'`)
    db.close()
    const env = {
      DATA_DIR: dataOf(service),
      WORKER_PLUGINS: '@mcp-worker/handler-data-cleanup',
      WORKER_CONFIG: '',
    }
    const { of } = await doctor(env)
    expect(of('tasks').map(({ status, detail }) => `${status}: ${detail}`)).toEqual([
      'warning: 1 waiting task of type echo, which no plugin of this configuration has',
      'warning: steps is paused',
      expect.stringMatching(/^warning: the oldest task that could run has waited for (59|60) minutes$/),
      'warning: 1 task of type broken failed with handler_failed in the last 24 hours',
    ])
  })

  it('metrics_port, api_port: one that another program holds is a fault', async () => {
    const other = createServer((socket) => socket.end('HTTP/1.1 200 OK\r\n\r\nhello')).listen(0, '127.0.0.1')
    onTestFinished(() => void other.close())
    await once(other, 'listening')
    const port = String((other.address() as AddressInfo).port)
    for (const name of ['METRICS', 'API']) {
      const { of } = await doctor({ [`${name}_PORT`]: port })
      expect(of(`${name.toLowerCase()}_port`)[0]).toMatchObject({
        status: 'fault',
        remedy: expect.stringContaining(port),
      })
    }
  })

  it('health: a worker whose check fails is a fault that names the check', async () => {
    const service = await startService({
      config: { serviceChecks: [{ name: 'nobody', url: 'tcp://127.0.0.1:1' }] },
    })
    const { of } = await doctor({
      DATA_DIR: dataOf(service),
      API_PORT: String(service.port),
      METRICS_PORT: new URL(service.metricsUrl).port,
    })
    expect(of('health')[0]).toMatchObject({
      status: 'fault',
      detail: expect.stringContaining('service:nobody'),
    })
  })

  it('has a row in docs/troubleshooting.md for each check', async () => {
    const docs = await readFile(new URL('../../../docs/troubleshooting.md', import.meta.url), 'utf8')
    for (const check of CHECKS) expect(docs).toMatch(new RegExp(`^\\| \`${check}\``, 'm'))
  })
})
