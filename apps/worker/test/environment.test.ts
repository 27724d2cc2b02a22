import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { VARIABLES, readEnvironment } from '../dist/environment.js'

describe('the environment', () => {
  it('has the defaults that the documentation promises', () => {
    const { environment, faults } = readEnvironment({})
    expect(faults).toEqual([])
    expect(environment).toEqual({
      ENVIRONMENT: 'production',
      LOG_LEVEL: 'info',
      API_HOST: '127.0.0.1',
      API_PORT: 8000,
      API_TOKEN: null,
      API_ALLOWED_HOSTS: [],
      METRICS_HOST: '127.0.0.1',
      METRICS_PORT: 9090,
      WORKER_ROLE: 'all',
      WORKER_CONCURRENCY: 4,
      TASK_TIMEOUT: 300_000,
      HEALTH_CHECK_INTERVAL: 30_000,
      SHUTDOWN_TIMEOUT: 25_000,
      DATA_DIR: './data',
      QUEUE_URL: null,
      WORKER_CONFIG: null,
      WORKER_PLUGINS: null,
      OLLAMA_URL: 'http://127.0.0.1:11434',
      CLEANUP_TEMP_ROOT: null,
    })
  })

  it('counts an empty variable as unset, as compose files pass it', () => {
    const empty = Object.fromEntries(Object.keys(VARIABLES).map((name) => [name, '']))
    expect(readEnvironment(empty)).toEqual(readEnvironment({}))
  })

  it('lists every fault with its name, what was given and what is expected', () => {
    const bad = {
      ENVIRONMENT: 'prod',
      LOG_LEVEL: 'LOUD',
      API_PORT: '80000',
      METRICS_PORT: '-1',
      WORKER_CONCURRENCY: '0',
      TASK_TIMEOUT: 'soon',
      HEALTH_CHECK_INTERVAL: '0',
      SHUTDOWN_TIMEOUT: '-5',
      WORKER_ROLE: 'both',
      QUEUE_URL: 'sqlite:x',
      API_ALLOWED_HOSTS: 'http://a.example',
      WORKER_PLUGINS: '../secret',
    }
    const { faults } = readEnvironment(bad)
    expect(faults.map((one) => one.path).toSorted()).toEqual(Object.keys(bad).toSorted())
    for (const { path, message } of faults) {
      expect(message).toContain('expected')
      expect(message).toContain(JSON.stringify(bad[path as keyof typeof bad]))
    }
  })

  it.each(['1e3', '0x10', ' 4', '4 ', '4.5', '٤', '+4', 'NaN', 'Infinity'])(
    'refuses %j as a whole number',
    (text) => {
      expect(readEnvironment({ WORKER_CONCURRENCY: text }).faults).toHaveLength(1)
    },
  )

  it.each([
    ['90', 90_000],
    ['1.5', 1_500],
    ['250ms', 250],
    ['5m', 300_000],
    ['2h', 7_200_000],
  ])('reads the duration %j', (text, ms) => {
    expect(readEnvironment({ TASK_TIMEOUT: text }).environment.TASK_TIMEOUT).toBe(ms)
  })

  it('refuses a timeout that no timer can hold', () => {
    expect(readEnvironment({ TASK_TIMEOUT: '25d' }).faults).toHaveLength(1)
  })

  it.each(['redis://r:6379', 'rediss://r', 'postgres://p/db', 'postgresql://p'])(
    'says that %s is not supported by this version',
    (url) => {
      const [fault] = readEnvironment({ QUEUE_URL: url }).faults
      expect(fault?.message).toContain('redis:// and postgres:// are not supported by this version')
    },
  )

  it('never shows a token', () => {
    const [fault] = readEnvironment({ API_TOKEN: 'hunter2' }).faults
    expect(fault?.message).not.toContain('hunter2')
    expect(fault?.message).toContain('16')
  })

  it.each([
    ['QUEUE_URL', 'postgres://app:hunter2@db:5432/tasks', 'postgres://…@db:5432/tasks'],
    ['QUEUE_URL', 'redis://:hunt@er2@db', 'redis://…@db'],
    ['OLLAMA_URL', 'http://app:hunter2@ollama:11434', 'http://…@ollama:11434'],
  ])('shows %s without its password', (name, given, shown) => {
    const [fault] = readEnvironment({ [name]: given }).faults
    expect(fault?.message).toContain(`"${shown}" was given`)
    expect(fault?.message).not.toContain('er2')
  })

  it.each([
    ['debug', 'debug'],
    ['Warning', 'warn'],
    ['CRITICAL', 'error'],
  ])('reads the log level %s in any case', (text, level) => {
    expect(readEnvironment({ LOG_LEVEL: text }).environment.LOG_LEVEL).toBe(level)
  })

  it('suspects an unknown variable that is nearly one of its own, and leaves others alone', () => {
    const { suspects, faults } = readEnvironment({
      WORKER_CONCURENCY: '8',
      PATH: '/bin',
      API_URL_OF_OTHERS: 'x',
    })
    expect(suspects).toEqual([{ given: 'WORKER_CONCURENCY', nearest: 'WORKER_CONCURRENCY' }])
    expect(faults).toEqual([])
  })

  it('is what docs/configuration.md says', () => {
    const page = readFileSync(new URL('../../../docs/configuration.md', import.meta.url), 'utf8').replaceAll(
      / +/g,
      ' ',
    )
    for (const [name, { default: value, doc }] of Object.entries(VARIABLES)) {
      const shown = value === null || value === '' ? '–' : `\`${value}\``
      expect(page).toContain(`| \`${name}\` | ${shown} | ${doc} |`)
    }
    const rows = page.match(/^\| `[A-Z_]+` \|/gm) ?? []
    expect(rows).toHaveLength(Object.keys(VARIABLES).length)
  })
})
