import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { createApiClient } from '../dist/cli/api-client.js'
import { createProgressBar } from '../dist/cli/progress-bar.js'
import { waitForTask } from '../dist/cli/wait-for-task.js'
import { runMain, type RunningService, startService, temporaryFolder } from './running-service.js'

const env = { QUEUE_URL: 'memory:' }

interface Ended {
  readonly code: unknown
  readonly out: string
  readonly err: string
}

async function cli(
  url: string,
  args: readonly string[],
  options: { input?: string; cwd?: string; token?: string } = {},
): Promise<Ended> {
  const { token, ...rest } = options
  const running = runMain(args, {
    ...rest,
    env: { MCP_WORKER_URL: url, ...(token !== undefined && { API_TOKEN: token }) },
  })
  const code = await running.ended
  return { code, out: running.stdout(), err: running.stderr() }
}

describe('mcp-worker', () => {
  it('submits JSON, a file or standard input, and shows, lists, cancels and replays', async () => {
    const { url } = await startService({ env })
    const cwd = await temporaryFolder()
    await writeFile(join(cwd, 'task.json'), '{"text":"from a file"}')
    const given = await cli(url, ['submit', 'echo', '{"text":"given"}', '--id', 'a', '--wait'])
    expect(given.code).toBe(0)
    expect(JSON.parse(given.out)).toMatchObject({ id: 'a', status: 'succeeded', result: { text: 'given' } })
    const file = await cli(url, ['submit', 'echo', '@task.json', '--wait'], { cwd })
    expect(JSON.parse(file.out).result).toEqual({ text: 'from a file' })
    const piped = await cli(url, ['submit', 'echo', '-', '--wait'], { input: '{"text":"piped"}' })
    expect(JSON.parse(piped.out).result).toEqual({ text: 'piped' })
    const later = await cli(url, [
      'submit',
      'greet',
      '{}',
      '--id',
      'b',
      '--delay',
      '1h',
      '--priority',
      '5',
      '--key',
      'k',
    ])
    expect(JSON.parse(later.out)).toMatchObject({ id: 'b', status: 'scheduled', duplicate: false })
    expect(JSON.parse((await cli(url, ['get', 'b'])).out)).toMatchObject({ priority: 5, status: 'scheduled' })
    const [runAt, expiresAt] = ['2099-01-31T12:00:00.000Z', '2099-01-31T13:00:00.000Z']
    await cli(url, ['submit', 'greet', '{}', '--id', 'c', '--run-at', runAt, '--expires-at', expiresAt])
    expect(JSON.parse((await cli(url, ['get', 'c'])).out)).toMatchObject({
      run_at: runAt,
      expires_at: expiresAt,
    })
    const page = JSON.parse((await cli(url, ['list', '--type', 'echo', '--limit', '2'])).out)
    expect(page.tasks).toHaveLength(2)
    expect(JSON.parse((await cli(url, ['cancel', 'b'])).out)).toEqual({ id: 'b', outcome: 'cancelled' })
    expect(JSON.parse((await cli(url, ['replay', 'b'])).out)).toEqual({ id: 'b', outcome: 'replayed' })
    const { types, queries } = JSON.parse((await cli(url, ['types'])).out)
    expect(types.map((one: { type: string }) => one.type)).toContain('echo')
    expect(queries.map((one: { name: string }) => one.name)).toContain('sum')
    expect((await cli(url, ['query', 'sum', '{"numbers":[1,2]}'])).out).toBe('3\n')
  })

  it('pauses and resumes a type', async () => {
    const { url } = await startService({ env })
    expect((await cli(url, ['pause', 'greet'])).out).toBe('{"type":"greet","paused":true}\n')
    await cli(url, ['submit', 'greet', '{}', '--id', 'held'])
    const why = JSON.parse((await cli(url, ['explain', 'held'])).out)
    expect(why.reasons).toEqual([
      { code: 'paused', message: expect.stringContaining('mcp-worker resume greet') },
    ])
    expect((await cli(url, ['resume', 'greet'])).out).toBe('{"type":"greet","paused":false}\n')
    expect(JSON.parse((await cli(url, ['get', 'held', '--wait', '20'])).out).status).toBe('succeeded')
    expect(await cli(url, ['pause', 'gret'])).toMatchObject({
      code: 1,
      err: expect.stringContaining('unknown_type'),
    })
  })

  it('ends with 1 where an awaited task failed, and where the service refuses, saying why and what to do', async () => {
    const { url } = await startService({ env })
    const failed = await cli(url, ['submit', 'broken', '{}', '--wait'])
    expect(failed.code).toBe(1)
    expect(JSON.parse(failed.out)).toMatchObject({ status: 'failed' })
    const refused = await cli(url, ['submit', 'echo', '{"txt":1}'])
    expect(refused.code).toBe(1)
    expect(refused.err).toContain('invalid_payload')
    expect(refused.err).toContain('payload.txt: unknown key')
    expect(refused.out).toBe('')
    expect((await cli(url, ['cancel', 'nope'])).err).toContain('not_found')
    // a fault of the whole input has no path to begin its line with
    expect((await cli(url, ['query', 'sum', '5'])).err).toMatch(/^  expected object, got number/m)
    const odd = await cli(url, ['cancel', '--type', 'echo', '--limit', 'x'])
    expect(odd).toMatchObject({ code: 1, err: expect.stringContaining('expected number, got string') })
  })

  it('sends API_TOKEN', async () => {
    const token = 'root-token-0123456789'
    const { url } = await startService({ env: { ...env, API_TOKEN: token } })
    expect(await cli(url, ['list'])).toMatchObject({ code: 1, err: expect.stringContaining('unauthorised') })
    expect(await cli(url, ['list'], { token })).toMatchObject({ code: 0 })
  })

  it('ends with 64 where it is called wrongly, with 69 where nothing answers', async () => {
    const nowhere = 'http://127.0.0.1:1'
    expect(await cli(nowhere, ['submit', 'echo', '{not json'])).toMatchObject({
      code: 64,
      err: expect.stringContaining('is not JSON'),
    })
    expect(await cli(nowhere, ['submit', 'echo', '@gone.json'])).toMatchObject({ code: 64 })
    expect(await cli(nowhere, ['sumbit'])).toMatchObject({ code: 64, err: expect.stringContaining('submit') })
    expect(await cli(nowhere, ['get'])).toMatchObject({ code: 64 })
    expect(await cli(nowhere, ['list'])).toMatchObject({
      code: 69,
      err: expect.stringMatching(/nothing answers at \S+ \(bad port\): is the worker running\?/),
    })
    expect(await cli('nonsense', ['list'])).toMatchObject({ code: 69 })
  })

  it('shows its version and its commands', async () => {
    expect(await cli('', ['--version'])).toMatchObject({
      code: 0,
      out: expect.stringMatching(/^\d+\.\d+\.\d+\n$/),
    })
    const { out } = await cli('', ['--help'])
    for (const command of [
      'start',
      'submit',
      'get',
      'list',
      'cancel',
      'replay',
      'pause',
      'resume',
      'types',
      'query',
      'doctor',
      'backup',
      'restore',
    ]) {
      expect(out).toContain(`\n  ${command} `)
    }
  })
})

/** What the bar prints for one look at a task. */
function draw(isTty: boolean): string {
  let text = ''
  const bar = createProgressBar({
    env: {},
    isTty,
    columns: () => 80,
    print: () => undefined,
    printError: (more: string) => (text += more),
    readInput: async () => '',
    onInterrupt: () => undefined,
  })
  const note = 'reading \u001b[31m\r\nred'
  bar.show({ type: 'steps', status: 'running', attempts: 1, progress: { done: 3, total: 4, note } })
  bar.end()
  return text
}

describe('the progress bar', () => {
  it('is one line on a terminal, with what a note could steer it by taken out', () => {
    const text = draw(true)
    const bar = `${'█'.repeat(18)}${'░'.repeat(6)}`
    expect(text).toBe(`\rsteps running, 1 failed ${bar} 75% 3/4 reading \ufffd[31m\ufffd\ufffdred\u001b[K\n`)
  })

  it('is nothing in a pipe', () => {
    expect(draw(false)).toBe('')
  })
})

describe('submit --wait', () => {
  it('waits on while the worker is restarted: the task was accepted', async () => {
    const first = await startService({ env: { SHUTDOWN_TIMEOUT: '1' } })
    const waiting = runMain(['submit', 'until_stopped', '{}', '--id', 'kept', '--wait'], {
      env: { MCP_WORKER_URL: first.url },
    })
    await runningTask(first, 'kept')
    first.child.kill('SIGTERM')
    expect(await first.ended).toBe(0)
    while (!waiting.stderr().includes('kept')) await waiting.next()
    const second = await startService({ folder: first.folder, env: { API_PORT: String(first.port) } })
    await second.call('POST', '/tasks/kept/cancel')
    expect(await waiting.ended).toBe(1)
    expect(JSON.parse(waiting.stdout())).toMatchObject({ id: 'kept', status: 'cancelled', deliveries: 2 })
    expect(waiting.stderr()).toBe('no answer at the moment, waiting on for the task kept\n')
  })

  it('names the accepted task where nobody answers any more', async () => {
    let printed = ''
    const waiting = waitForTask(
      'kept',
      createApiClient({ MCP_WORKER_URL: 'http://127.0.0.1:1' }),
      {
        env: {},
        isTty: false,
        columns: () => 80,
        print: () => undefined,
        printError: (text) => (printed += text),
        readInput: async () => '',
        onInterrupt: () => undefined,
      },
      { patienceMs: 0 },
    )
    await expect(waiting).rejects.toThrow('nothing answers at http://127.0.0.1:1')
    expect(printed).toContain('the task kept was accepted, its end is not known: mcp-worker get kept')
  })
})

async function runningTask({ call }: RunningService, id: string): Promise<void> {
  let status: unknown
  while (status !== 'running') status = (await call('GET', `/tasks/${id}?wait=0.05`)).body.status
}
