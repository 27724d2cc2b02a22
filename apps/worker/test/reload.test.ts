import { copyFile, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { runReloading } from '../dist/reload.js'
import { FIXTURE, call, runMain, temporaryFolder, type RunningProcess } from './running-service.js'

const env = { API_PORT: '0', METRICS_PORT: '0', QUEUE_URL: 'memory:', WORKER_CONFIG: 'worker.config.json' }

/** The URL of the API of the n-th child. */
async function apiOf(running: RunningProcess, n: number): Promise<string> {
  for (;;) {
    const found = running.lines.filter((one) => one.event === 'api_listening')[n - 1]
    if (found !== undefined) return String(found['url'])
    await running.next()
  }
}

async function greet(url: string): Promise<unknown> {
  const { body } = await call(`${url}/tasks`, 'POST', { type: 'greet', payload: {} })
  return (await call(`${url}/tasks/${body.id}?wait=20`, 'GET')).body.result
}

const configWith = (path: string, greeting: string) =>
  JSON.stringify({ plugins: [{ package: path, options: { greeting } }] })

describe('start --reload', () => {
  it('restarts when the configuration file changes, after the old one has drained', async () => {
    const cwd = await temporaryFolder()
    const file = join(cwd, 'worker.config.json')
    await writeFile(file, configWith(FIXTURE, 'one'))
    const running = runMain(['start', '--reload'], { cwd, env })
    expect(await greet(await apiOf(running, 1))).toBe('one')
    await writeFile(file, configWith(FIXTURE, 'two'))
    expect(await greet(await apiOf(running, 2))).toBe('two')
    expect(running.lines.filter((one) => one.event === 'stopped')).toEqual([
      expect.objectContaining({ outcome: 'drained', exit_code: 0 }),
    ])
    running.child.kill('SIGTERM')
    expect(await running.ended).toBe(0)
    expect(running.lines.filter((one) => one.event === 'stopped')).toHaveLength(2)
  })

  it('waits with a faulty file until it is mended', async () => {
    const cwd = await temporaryFolder()
    const file = join(cwd, 'worker.config.json')
    await writeFile(file, '{ "plugns": [] }')
    const running = runMain(['start', '--reload'], { cwd, env })
    while (!running.stderr().includes('waiting for a change')) await running.next()
    expect(running.stderr()).toContain('did you mean "plugins"')
    await writeFile(file, configWith(FIXTURE, 'mended'))
    expect(await greet(await apiOf(running, 1))).toBe('mended')
    running.child.kill('SIGINT')
    expect(await running.ended).toBe(0)
  })

  it('restarts when the code of a plugin changes', async () => {
    const cwd = await temporaryFolder()
    const plugin = join(cwd, 'plugin.ts')
    await copyFile(fileURLToPath(FIXTURE), plugin)
    await writeFile(join(cwd, 'worker.config.json'), configWith('./plugin.ts', 'one'))
    const running = runMain(['start', '--reload'], { cwd, env })
    expect(await greet(await apiOf(running, 1))).toBe('one')
    const source = await readFile(plugin, 'utf8')
    await writeFile(plugin, source.replace('=> deps.greeting', '=> deps.greeting.toUpperCase()'))
    expect(await greet(await apiOf(running, 2))).toBe('ONE')
    running.child.kill('SIGTERM')
    expect(await running.ended).toBe(0)
  })

  it('leaves no service behind where its own process is killed', async () => {
    const cwd = await temporaryFolder()
    await writeFile(join(cwd, 'worker.config.json'), configWith(FIXTURE, 'one'))
    const running = runMain(['start', '--reload'], { cwd, env })
    await apiOf(running, 1)
    running.child.kill('SIGKILL')
    // its output ends only when the service, which writes to it, has ended as well
    expect(await running.ended).toBe('SIGKILL')
    expect(running.lines.at(-1)).toMatchObject({ event: 'stopped', exit_code: 0 })
  })

  it('tells the old one once, however often something changes while it drains', async () => {
    const cwd = await temporaryFolder()
    const [file, heard, done] = ['watched.json', 'heard', 'done'].map((name) => join(cwd, name)) as [
      string,
      string,
      string,
    ]
    await writeFile(file, '1')
    await writeFile(heard, '')
    const child = `
      const { appendFileSync, existsSync } = require('node:fs')
      appendFileSync('heard', 'start ')
      process.on('SIGTERM', () => appendFileSync('heard', 'told '))
      setInterval(() => existsSync('done') && process.exit(0), 10)`
    let changes = 0
    const signals: ((signal: 'SIGTERM') => void)[] = []
    const ended = runReloading({
      command: [process.execPath, '-e', child],
      env: {},
      cwd,
      watched: [file],
      dataDir: join(cwd, 'data'),
      print: (text) => void (changes += text.includes('changed') ? 1 : 0),
      onSignal: (listener) => void signals.push(listener),
    })
    const said = () => readFile(heard, 'utf8')
    await expect.poll(said).toBe('start ')
    await writeFile(file, '2')
    await expect.poll(said).toBe('start told ')
    await writeFile(file, '3')
    await expect.poll(() => changes).toBe(2)
    await writeFile(done, '')
    await expect.poll(said).toMatch(/start $/)
    for (const listener of signals) listener('SIGTERM')
    await ended
    expect(await said()).toMatch(/^start told start (told )?$/)
  })
})
