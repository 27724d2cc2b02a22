import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isWorkerError, type Fault } from '@mcp-worker/runtime'
import { describe, expect, it, onTestFinished } from 'vitest'
import { readConfiguration, type Configuration } from '../dist/configuration.js'

const FIXTURE = new URL('./fixtures/plugin.ts', import.meta.url).href

async function folderWith(files: Readonly<Record<string, string>>): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'mcp-worker-test-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text)
  return folder
}

/** Reads a file of this name and text. */
async function read(name: string, text: string, env: Record<string, string> = {}): Promise<Configuration> {
  return readConfiguration({ WORKER_CONFIG: name, ...env }, await folderWith({ [name]: text }))
}

async function faultsOf(reading: Promise<unknown>): Promise<readonly Fault[]> {
  const error: unknown = await reading.then(
    () => null,
    (reason: unknown) => reason,
  )
  if (!isWorkerError(error)) throw new Error('expected faults', { cause: error })
  return error.faults
}

const json = (config: unknown) => JSON.stringify(config)
const withPlugins = { plugins: [{ package: FIXTURE }] }

describe('worker.config.ts', () => {
  it('overrides where a plugin lives', async () => {
    const { hosts } = await read(
      'worker.config.ts',
      `import fixture from ${JSON.stringify(FIXTURE)}
       export default { plugins: [{ plugin: fixture(), host: 'thread' }] }`,
    )
    expect(hosts).toEqual({ '@test/plugin': 'thread' })
  })

  it.each([
    ['has a syntax error', 'export default {', 'cannot be loaded'],
    ['throws', 'throw new Error("no bucket")', 'no bucket'],
    ['imports what is not installed', 'import "@acme/not-there"\nexport default {}', '@acme/not-there'],
    ['exports nothing', 'export const plugins = []', 'no default export'],
  ])('that %s is one fault', async (_what, text, words) => {
    const [fault, ...more] = await faultsOf(read('worker.config.ts', text, { QUEUE_URL: 'memory:' }))
    expect(fault?.path).toBe('WORKER_CONFIG')
    expect(fault?.message).toContain(words)
    expect(more.filter((one) => one.path === 'WORKER_CONFIG')).toEqual([])
  })
})

describe('worker.config.json', () => {
  it('has defaults for everything but plugins', async () => {
    const { config, tokens } = await read('worker.config.json', json(withPlugins))
    expect(tokens).toEqual([])
    expect(config).toMatchObject({ durability: 'power', abortGrace: 5_000, serviceChecks: [] })
    expect(config.retention.failed).toEqual({ maxAge: 2_592_000_000, maxCount: 100_000 })
  })

  it('takes durations as seconds or with a unit', async () => {
    const retention = { succeeded: { maxAge: 3_600 }, failed: { maxAge: '7d', maxCount: 5 } }
    const { config } = await read('c.json', json({ ...withPlugins, retention }))
    expect(config.retention).toEqual({
      succeeded: { maxAge: 3_600_000, maxCount: 100_000 },
      failed: { maxAge: 604_800_000, maxCount: 5 },
    })
  })

  it('that is not there or not JSON is one fault', async () => {
    const missing = readConfiguration(
      { WORKER_CONFIG: 'gone.json', QUEUE_URL: 'memory:' },
      await folderWith({}),
    )
    expect((await faultsOf(missing))[0]?.message).toContain('gone.json')
    expect((await faultsOf(read('c.json', '{"a":')))[0]?.message).toContain('cannot be loaded')
  })

  it('lists every fault at once, with those of the environment and of plugins', async () => {
    const config = {
      plugins: [
        { package: FIXTURE, options: { greting: 'x' } },
        { package: '@acme/not-there' },
        { package: FIXTURE, hots: 'thread' },
        { package: 'node:path' },
        7,
      ],
      token: [],
      limits: { max_waiting: 1, lease: '1s', maxCrashes: 'many' },
      tokens: [
        { name: 'a b', token: 'short', scopes: [] },
        { name: 'ops', token: 'x'.repeat(20), scopes: ['delete'] },
        { name: 'none', scopes: ['read'] },
      ],
      serviceChecks: [{ name: 'db', url: 'ftp://x' }],
    }
    const faults = await faultsOf(read('c.json', json(config), { WORKER_CONCURRENCY: 'many' }))
    expect(faults.map((one) => one.path)).toEqual([
      'WORKER_CONCURRENCY',
      'c.json: tokens[0].name',
      'c.json: tokens[0].token',
      'c.json: tokens[0].scopes',
      'c.json: tokens[1].scopes[0]',
      'c.json: tokens[2]',
      'c.json: limits.lease',
      'c.json: limits.maxCrashes',
      'c.json: limits.max_waiting',
      'c.json: serviceChecks[0].url',
      'c.json: token',
      '@test/plugin.options.greting',
      'plugins[1]',
      'plugins[2].hots',
      'plugins[3]',
      'plugins[4]',
    ])
    const messageOf = (path: string) => faults.find((one) => one.path === path)?.message
    expect(messageOf('c.json: limits.max_waiting')).toBe('unknown key, did you mean "maxWaiting"?')
    expect(messageOf('c.json: token')).toBe('unknown key, did you mean "tokens"?')
    expect(messageOf('plugins[2].hots')).toBe('unknown key, did you mean "host"?')
    expect(messageOf('@test/plugin.options.greting')).toBe('unknown key, did you mean "greeting"?')
    expect(messageOf('plugins[1]')).toContain('install it')
  })

  it('never shows a token in a fault', async () => {
    const config = { ...withPlugins, tokens: [{ name: 'a', token: 'hunter2', scopes: ['read'] }] }
    expect(JSON.stringify(await faultsOf(read('c.json', json(config))))).not.toContain('hunter2')
  })
})

const entry = (name: string, extra: Record<string, unknown>) => ({ name, scopes: ['read'], ...extra })
const withTokens = (...tokens: unknown[]) => json({ ...withPlugins, tokens })

describe('tokens', () => {
  it('come from the file, its variables and API_TOKEN', async () => {
    const text = withTokens(entry('a', { token: 'a'.repeat(16) }), entry('b', { tokenEnv: 'B_TOKEN' }))
    const env = { B_TOKEN: 'b'.repeat(16), API_TOKEN: 'root'.repeat(4) }
    const { tokens } = await read('c.json', text, env)
    expect(tokens.map((one) => [one.name, one.token[0], one.scopes])).toEqual([
      ['api_token', 'r', ['admin']],
      ['a', 'a', ['read']],
      ['b', 'b', ['read']],
    ])
  })

  it('that are missing, short, spaced, named twice or equal are faults', async () => {
    const text = withTokens(
      entry('a', { token: 'a'.repeat(16) }),
      entry('a', { token: 'b'.repeat(16) }),
      entry('c', { token: 'a'.repeat(16) }),
      entry('d', { tokenEnv: 'NOT_SET' }),
      entry('e', { tokenEnv: 'SHORT' }),
      // no header could carry it
      entry('f', { tokenEnv: 'SPACED' }),
    )
    const env = { SHORT: 'x', SPACED: 'a token that has spaces in it' }
    const faults = await faultsOf(read('c.json', text, env))
    const refused = [1, 2, 3, 4, 5].map((i) => `tokens[${i}]`)
    expect(faults.map((one) => one.path)).toEqual(refused)
  })

  it.each(['0.0.0.0', '::', '192.168.1.5', 'worker.internal'])('are required on %s', async (host) => {
    const env = { API_HOST: host }
    expect((await faultsOf(read('c.json', json(withPlugins), env))).map((one) => one.path)).toEqual([
      'API_HOST',
    ])
    const good = read('c.json', json(withPlugins), { ...env, API_TOKEN: 't'.repeat(16) })
    await expect(good).resolves.toBeDefined()
  })

  it.each(['127.0.0.1', '127.8.9.1', 'localhost', '::1', '[::1]'])('are not required on %s', async (host) => {
    await expect(read('c.json', json(withPlugins), { API_HOST: host })).resolves.toBeDefined()
  })

  it('are not required of a worker without an API', async () => {
    const env = { API_HOST: '0.0.0.0', WORKER_ROLE: 'worker' }
    await expect(read('c.json', json(withPlugins), env)).resolves.toBeDefined()
  })
})

const MODEL_CACHE = '@mcp-worker/handler-model-cache'

describe('plugins', () => {
  it('are named by WORKER_PLUGINS where there is no file', async () => {
    const folder = await folderWith({})
    const { plugins } = await readConfiguration(
      { WORKER_PLUGINS: '@mcp-worker/handler-vector-index' },
      folder,
    )
    expect(plugins.map((one) => one.name)).toEqual(['@mcp-worker/handler-vector-index'])
  })

  it('are the default ones where nobody names any', async () => {
    const { plugins } = await readConfiguration({}, await folderWith({}))
    expect(plugins.map((one) => one.name)).toEqual([
      '@mcp-worker/handler-vector-index',
      '@mcp-worker/handler-model-cache',
      '@mcp-worker/handler-data-cleanup',
    ])
  })

  it('take the address of the Ollama server from OLLAMA_URL, unless the file names one', async () => {
    const env = { OLLAMA_URL: 'http://gpu:11434' }
    const byName = await readConfiguration({ ...env, WORKER_PLUGINS: MODEL_CACHE }, await folderWith({}))
    expect(byName.plugins[0]?.givenOptions).toEqual({ ollama: { url: 'http://gpu:11434' } })
    const ollama = { url: 'http://other:11434' }
    const written = await read(
      'c.json',
      json({ plugins: [{ package: MODEL_CACHE, options: { ollama } }] }),
      env,
    )
    expect(written.plugins[0]?.givenOptions).toEqual({ ollama })
  })

  it('named by both the file and WORKER_PLUGINS are a fault', async () => {
    const faults = await faultsOf(read('c.json', json(withPlugins), { WORKER_PLUGINS: 'x' }))
    expect(faults.map((one) => one.path)).toEqual(['WORKER_PLUGINS'])
  })

  it('that were not called are a fault with the remedy', async () => {
    const text = `import fixture from ${JSON.stringify(FIXTURE)}\nexport default { plugins: [fixture] }`
    const [fault] = await faultsOf(read('worker.config.ts', text))
    expect(fault).toEqual({ path: 'plugins[0]', message: expect.stringContaining('was not called') })
  })
})

describe('settings that do not go together', () => {
  it('are faults: one port twice, a memory queue that nobody shares', async () => {
    const env = { API_PORT: '9090', QUEUE_URL: 'memory:', WORKER_ROLE: 'api' }
    const faults = await faultsOf(read('c.json', json(withPlugins), env))
    expect(faults.map((one) => one.path)).toEqual(['METRICS_PORT', 'QUEUE_URL'])
  })
})
