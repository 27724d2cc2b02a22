import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { FIXTURE, runMain, startService, temporaryFolder, type RunningProcess } from './running-service.js'

const HOUR = 3_600_000
const echo = { type: 'echo', payload: { text: 'tick' } }
const everySecond = { schedules: [{ name: 'tick', ...echo, every: '1s', missed: 'all' }] }

const firedIn = ({ lines }: RunningProcess) =>
  lines.filter(({ event }) => event === 'schedule_fired').map((line) => String(line['task_id']))

const idAt = (name: string, instant: number) =>
  `schedule:${name}:${new Date(instant).toISOString().replace('.000Z', 'Z')}`

async function stopped(running: RunningProcess): Promise<void> {
  running.child.kill('SIGTERM')
  expect(await running.ended).toBe(0)
}

/** Faults of a start that must fail. */
async function refused(schedules: readonly unknown[]): Promise<string> {
  const folder = await temporaryFolder()
  const file = join(folder, 'worker.config.json')
  await writeFile(file, JSON.stringify({ plugins: [{ package: FIXTURE }], schedules }))
  const running = runMain(['start'], {
    cwd: folder,
    env: { API_PORT: '0', METRICS_PORT: '0', WORKER_CONFIG: file },
  })
  expect(await running.ended).toBe(78)
  return running.stderr()
}

describe('schedules', () => {
  it('fire each instant once where two workers share a queue, and leave none out', async () => {
    const one = await startService({ config: everySecond })
    const two = await startService({ config: everySecond, folder: one.folder })
    const all = () => [...firedIn(one), ...firedIn(two)]
    await two.line('worker_started')
    while (all().length < 4) await Promise.race([one.next(), two.next()])
    const metrics = await (await fetch(one.metricsUrl.replace(/\/$/, '') + '/metrics')).text()
    expect(metrics).toMatch(/^mcp_worker_schedule_fired_total\{schedule="tick"\} \d+$/m)
    expect(metrics).toMatch(/^mcp_worker_schedule_failures_total\{schedule="tick"\} 0$/m)
    await stopped(one)
    await stopped(two)

    const ids = all().toSorted()
    const first = Date.parse(ids[0]?.slice('schedule:tick:'.length) ?? '')
    expect(ids).toEqual(ids.map((_, i) => idAt('tick', first + i * 1000)))
    const later = await startService({ folder: one.folder })
    const { tasks } = (await later.call('GET', '/tasks?limit=100')).body
    expect(tasks.map(({ id }: { id: string }) => id).toSorted()).toEqual(ids)
  })

  it('make up for the last instant that was missed, and not on the first start', async () => {
    const config = { schedules: [{ name: 'hourly', ...echo, every: '1h' }] }
    const first = await startService({ config })
    const record = join(first.folder, 'data', 'schedules', 'hourly.json')
    await stopped(first)
    const known = JSON.parse(await readFile(record, 'utf8'))
    expect(firedIn(first)).toEqual([])
    const before = new Date(Date.now() - 3 * HOUR).toISOString()
    await writeFile(record, JSON.stringify({ ...known, seenUntil: before }))

    const second = await startService({ config, folder: first.folder })
    const { task_id } = await second.line('schedule_fired')
    const lastHour = Math.floor(Date.parse((await second.line('schedule_fired')).timestamp) / HOUR) * HOUR
    expect(task_id).toBe(idAt('hourly', lastHour))
    await stopped(second)
    expect(firedIn(second)).toHaveLength(1)
    expect(second.lines.find(({ event }) => event === 'schedule_missed')).toMatchObject({
      schedule: 'hourly',
      missed: 'latest',
      fired: 1,
    })
    const third = await startService({ config, folder: first.folder })
    await stopped(third)
    expect(firedIn(third).filter((id) => id === task_id)).toEqual([])
  })

  it('do not fire in a worker that only accepts, which tells of their runs all the same', async () => {
    const worker = await startService({ config: everySecond })
    const api = await startService({
      config: everySecond,
      folder: worker.folder,
      env: { WORKER_ROLE: 'api' },
    })
    await worker.line('schedule_fired')
    const { status, body } = await api.call('GET', '/schedules')
    expect(status).toBe(200)
    expect(body.schedules).toEqual([
      {
        name: 'tick',
        ...echo,
        cron: null,
        every: 1,
        timezone: null,
        dst: null,
        missed: 'all',
        next_at: expect.stringMatching(/:\d\d\.000Z$/),
        last_run: {
          at: expect.stringMatching(/:\d\d\.000Z$/),
          task_id: expect.stringMatching(/^schedule:tick:/),
          status: expect.stringMatching(/^(queued|running|succeeded)$/),
        },
      },
    ])
    const command = runMain(['schedules'], { env: { MCP_WORKER_URL: api.url } })
    expect(await command.ended).toBe(0)
    expect(JSON.parse(command.stdout()).schedules).toMatchObject([{ name: 'tick', type: 'echo' }])
    await stopped(worker)
    const count = firedIn(worker).length
    expect(count).toBeGreaterThan(0)
    await stopped(api)
    expect(firedIn(api)).toEqual([])
  })

  it('are read with `read` only', async () => {
    const token = 'only-submits-0123456789'
    const tokens = [{ name: 'shop', token, scopes: ['submit:*'] }]
    const { call } = await startService({ config: { tokens }, env: { QUEUE_URL: 'memory:' } })
    const { status, body } = await call('GET', '/schedules', undefined, { authorization: `Bearer ${token}` })
    expect([status, body.code]).toEqual([403, 'forbidden'])
  })

  it('with faults keep the worker from starting, and all are told at once', async () => {
    const stderr = await refused([
      { name: 'a', ...echo, cron: '61 * * * *', timezon: 'UTC' },
      { name: 'b', ...echo, cron: '61 * * * *', every: '1s' },
      { name: 'b', ...echo, cron: '0 3 * * *', timezone: 'Europe/Berlyn' },
    ])
    expect(stderr).toContain('schedules[0].timezon: unknown key, did you mean "timezone"?')
    expect(stderr).toContain('schedules[1]: expected exactly one of cron and every')
    expect(stderr).toContain('schedules[1].cron: expected five fields')
    expect(stderr).toContain('schedules[2].timezone: expected a time zone such as "Europe/Berlin"')
  })

  it('whose tasks would be refused keep the worker from starting, by name', async () => {
    const stderr = await refused([
      { name: 'a', type: 'echo', payload: { text: 1 }, every: '1s' },
      { name: 'b', type: 'ecco', payload: {}, every: '1s' },
    ])
    expect(stderr).toMatch(/schedules\[0\]\.payload\.text: a: /)
    expect(stderr).toContain('schedules[1].type: b: no plugin of this worker has the type "ecco"')
  })
})
