import { createServer } from 'node:http'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { FIXTURE, runMain, startService, temporaryFolder } from './running-service.js'

const free = { API_PORT: '0', METRICS_PORT: '0', QUEUE_URL: 'memory:' }

/** Listens on a free port until the test has ended. */
async function occupiedPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address.port
}

describe('a start', () => {
  it('logs where it listens, one line each, with the keys of the documentation', async () => {
    const { lines, port, metricsUrl } = await startService({ env: { QUEUE_URL: 'memory:' } })
    const api = lines.find((one) => one.event === 'api_listening')
    expect(api).toEqual({
      timestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d.*Z$/),
      level: 'info',
      event: 'api_listening',
      host: '127.0.0.1',
      port,
      url: `http://127.0.0.1:${port}`,
    })
    expect(lines.find((one) => one.event === 'metrics_listening')?.['url']).toBe(metricsUrl)
  })

  it('loads worker.config.ts from anywhere: the service brings the packages that it imports', async () => {
    const cwd = await temporaryFolder()
    await writeFile(
      join(cwd, 'worker.config.ts'),
      `import { defineConfig, type WorkerConfig } from '@mcp-worker/worker'
       import { definePlugin } from '@mcp-worker/runtime'
       import { z } from 'zod'
       const greeter = definePlugin({
         contract: 1, name: '@test/greeter', version: '0.0.1', module: import.meta.url,
         options: z.strictObject({ name: z.string() }),
         setup: ({ options }) => options,
         handlers: (handler) => [
           handler('greet', { payload: z.strictObject({}), result: z.string(), run: ({ deps }) => 'hi ' + deps.name }),
         ],
       })
       const config: WorkerConfig = { plugins: [greeter({ name: 'Ada' })] }
       export default defineConfig(config)`,
    )
    const running = runMain(['start'], { cwd, env: { ...free, WORKER_CONFIG: 'worker.config.ts' } })
    const url = String((await running.line('api_listening'))['url'])
    const submit = runMain(['submit', 'greet', '{}', '--wait'], { env: { MCP_WORKER_URL: url } })
    expect(await submit.ended).toBe(0)
    expect(JSON.parse(submit.stdout())).toMatchObject({ status: 'succeeded', result: 'hi Ada' })
  })

  it('in development logs for people', async () => {
    const cwd = await temporaryFolder()
    await writeFile(join(cwd, 'c.json'), JSON.stringify({ plugins: [{ package: FIXTURE }] }))
    const running = runMain(['start'], {
      cwd,
      env: { ...free, ENVIRONMENT: 'development', WORKER_CONFIG: 'c.json' },
    })
    while (!running.stdout().includes('api_listening')) await running.next()
    expect(running.stdout()).toMatch(/^\[\d\d:\d\d:\d\d\.\d+\] INFO: metrics_listening$/m)
    expect(running.lines).toEqual([])
  })

  it('warns of a variable that is nearly one of its own', async () => {
    const { line } = await startService({ env: { QUEUE_URL: 'memory:', WORKER_CONCURENCY: '9' } })
    expect(await line('unknown_variable')).toMatchObject({ level: 'warn', nearest: 'WORKER_CONCURRENCY' })
  })

  it('as api has no handler running, as worker has no API; both share the file', async () => {
    const folder = await temporaryFolder()
    const api = await startService({ folder, env: { WORKER_ROLE: 'api' } })
    const { body } = await api.call('POST', '/tasks', { type: 'greet', payload: {} })
    expect((await api.call('GET', `/tasks/${body.id}?wait=0.3`)).body.status).toBe('queued')
    const { reasons } = (await api.call('GET', `/tasks/${body.id}/explain`)).body
    expect(reasons[0].message).toContain('at the moment none runs any: is one up?')
    const worker = runMain(['start'], {
      cwd: folder,
      env: {
        API_PORT: '0',
        METRICS_PORT: '0',
        WORKER_ROLE: 'worker',
        WORKER_CONFIG: join(folder, 'worker.config.json'),
        DATA_DIR: join(folder, 'data'),
      },
    })
    expect((await api.call('GET', `/tasks/${body.id}?wait=30`)).body.status).toBe('succeeded')
    expect(worker.lines.map((one) => one.event)).not.toContain('api_listening')
  })
})

describe('a start with faults', () => {
  it('lists all of them on standard error and exits with 78', async () => {
    const cwd = await temporaryFolder()
    await writeFile(join(cwd, 'c.json'), JSON.stringify({ plugins: [{ package: FIXTURE }], limts: {} }))
    const env = {
      API_HOST: '0.0.0.0',
      WORKER_CONCURRENCY: 'many',
      WORKER_CONFIG: 'c.json',
      QUEUE_URL: 'redis://r',
    }
    const running = runMain(['start'], { cwd, env })
    expect(await running.ended).toBe(78)
    expect(running.stderr()).toContain('4 faults')
    expect(running.stderr()).toContain('WORKER_CONCURRENCY: expected a number of tasks')
    expect(running.stderr()).toContain(
      'QUEUE_URL: redis:// and postgres:// are not supported by this version',
    )
    expect(running.stderr()).toContain('c.json: limts: unknown key, did you mean "limits"?')
    expect(running.stderr()).toContain('API_HOST: 0.0.0.0 can be reached from other machines')
    expect(running.stdout()).toBe('')
  })

  it.each([
    ['does not parse', 'export default {\n  plugins: [ }\n'],
    ['throws', 'const port: number = 1\nmissing(port)\nexport default {}\n'],
    ['imports what throws', 'import "./other.ts"\nexport default {}\n'],
  ])('names the line where the configuration file %s', async (_what, text) => {
    const cwd = await temporaryFolder()
    await writeFile(join(cwd, 'c.ts'), text)
    await writeFile(join(cwd, 'other.ts'), '\nthrow new Error("not today")\n')
    const running = runMain(['start'], { cwd, env: { WORKER_CONFIG: 'c.ts', QUEUE_URL: 'memory:' } })
    expect(await running.ended).toBe(78)
    const file = text.includes('other') ? 'other.ts' : 'c.ts'
    expect(running.stderr()).toMatch(/WORKER_CONFIG: c\.ts cannot be loaded: /)
    expect(running.stderr()).toContain(`/${file}, line 2)`)
  })

  it('exits with 78 and the variable where a port is in use', async () => {
    const port = String(await occupiedPort())
    for (const name of ['API_PORT', 'METRICS_PORT']) {
      const cwd = await temporaryFolder()
      const running = runMain(['start'], { cwd, env: { ...free, [name]: port } })
      expect(await running.ended).toBe(78)
      expect(running.stderr()).toContain(`${name}: port ${port} of 127.0.0.1 is in use`)
    }
  })

  it.each(['file/data', '/proc/none'])('exits with 78 where DATA_DIR cannot be made: %s', async (dataDir) => {
    const cwd = await temporaryFolder()
    await writeFile(join(cwd, 'file'), '')
    const running = runMain(['start'], {
      cwd,
      env: { API_PORT: '0', METRICS_PORT: '0', DATA_DIR: dataDir },
    })
    expect(await running.ended).toBe(78)
    expect(running.stderr()).toContain(`DATA_DIR: ${dataDir} cannot be made`)
  })

  it('exits with 78 and the names where two plugins have one type', async () => {
    const cwd = await temporaryFolder()
    const plugins = [{ package: FIXTURE }, { package: FIXTURE }]
    await writeFile(join(cwd, 'c.json'), JSON.stringify({ plugins }))
    const running = runMain(['start'], { cwd, env: { ...free, WORKER_CONFIG: 'c.json' } })
    expect(await running.ended).toBe(78)
    expect(running.stderr()).toContain('handshake_failed')
    expect(running.stderr()).toContain('@test/plugin')
  })

  it('says what is wrong where the queue is no database, and does not run', async () => {
    const cwd = await temporaryFolder()
    await writeFile(join(cwd, 'queue.db'), 'this is no database'.repeat(1_000))
    const running = runMain(['start'], { cwd, env: { API_PORT: '0', METRICS_PORT: '0', DATA_DIR: '.' } })
    expect(await running.ended).not.toBe(0)
    expect(running.stderr()).toContain('file is not a database')
    expect(running.lines.map((one) => one.event)).not.toContain('api_listening')
  })
})
