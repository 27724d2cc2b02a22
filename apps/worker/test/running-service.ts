import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { onTestFinished } from 'vitest'

const MAIN = fileURLToPath(new URL('../dist/main.js', import.meta.url))
export const FIXTURE = new URL('./fixtures/plugin.ts', import.meta.url).href

interface LogLine {
  readonly event: string
  readonly level: string
  readonly timestamp: string
  readonly [key: string]: unknown
}

export interface RunningProcess {
  readonly child: ChildProcess
  readonly lines: readonly LogLine[]
  readonly stderr: () => string
  readonly stdout: () => string
  /** The first line with this event, past or to come; rejects when the process ends without it. */
  readonly line: (event: string) => Promise<LogLine>
  /** Resolves when something more has been printed; rejects when the process has ended. */
  readonly next: () => Promise<void>
  /** Exit code, or the signal that ended it. */
  readonly ended: Promise<number | NodeJS.Signals | null>
}

/** A folder that is gone after the test. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'mcp-worker-test-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  return folder
}

/** What every test's process starts with: nothing of this machine's own configuration. */
function bareEnvironment(extra: Readonly<Record<string, string>> = {}): Record<string, string> {
  return { PATH: process.env['PATH'] ?? '', ...extra }
}

/** The built main.js with these arguments; killed after the test if it still runs. */
export function runMain(
  args: readonly string[],
  options: {
    readonly env?: Readonly<Record<string, string>>
    readonly cwd?: string
    readonly input?: string
  } = {},
): RunningProcess {
  const child = spawn(process.execPath, [MAIN, ...args], {
    env: bareEnvironment(options.env),
    cwd: options.cwd ?? tmpdir(),
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  const running = observe(child)
  child.stdin.on('error', () => undefined).end(options.input ?? '')
  onTestFinished(async () => {
    child.kill('SIGKILL')
    await running.ended
  })
  return running
}

function observe(child: ChildProcess): RunningProcess {
  const lines: LogLine[] = []
  let stdout = ''
  let stderr = ''
  const heard = new EventTarget()
  if (child.stdout === null || child.stderr === null) throw new Error('no pipes')
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
    heard.dispatchEvent(new Event('news'))
  })
  const reader = createInterface(child.stdout)
  reader.on('line', (text) => {
    stdout += `${text}\n`
    const line = parseLine(text)
    if (line !== null) lines.push(line)
    heard.dispatchEvent(new Event('news'))
  })
  let hasEnded = false
  const ended = once(child, 'close').then(([code, signal]) => {
    hasEnded = true
    heard.dispatchEvent(new Event('news'))
    return (code ?? signal) as number | NodeJS.Signals | null
  })
  const next = async () => {
    if (hasEnded) throw new Error(`ended with ${await ended}\n${stdout}\n${stderr}`)
    await once(heard, 'news')
  }
  const line = async (event: string): Promise<LogLine> => {
    for (;;) {
      const found = lines.find((one) => one.event === event)
      if (found !== undefined) return found
      await next()
    }
  }
  return { child, lines, stderr: () => stderr, stdout: () => stdout, line, next, ended }
}

/** Null: output of a command, not a log line. */
function parseLine(text: string): LogLine | null {
  try {
    const line: unknown = JSON.parse(text)
    return typeof line === 'object' && line !== null && 'event' in line ? (line as LogLine) : null
  } catch {
    return null
  }
}

export interface RunningService extends RunningProcess {
  readonly url: string
  readonly port: number
  readonly metricsUrl: string
  readonly folder: string
  /** A request to the API; `body` is sent as JSON. */
  readonly call: (
    method: string,
    path: string,
    body?: unknown,
    headers?: Readonly<Record<string, string>>,
  ) => Promise<Answer>
}

export interface Answer {
  readonly status: number
  readonly headers: Headers
  // oxlint-disable-next-line typescript/no-explicit-any -- answers of all shapes, looked into by tests
  readonly body: any
}

export interface ServiceOptions {
  readonly env?: Readonly<Record<string, string>>
  readonly config?: Readonly<Record<string, unknown>>
  readonly folder?: string
}

/** The real service with the fixture plugin, on free ports and a folder of its own; ready when this resolves. */
export async function startService({
  env = {},
  config = {},
  folder,
}: ServiceOptions = {}): Promise<RunningService> {
  const home = folder ?? (await temporaryFolder())
  const file = join(home, 'worker.config.json')
  await writeFile(file, JSON.stringify({ plugins: [{ package: FIXTURE }], ...config }))
  const running = runMain(['start'], {
    cwd: home,
    env: {
      API_PORT: '0',
      METRICS_PORT: '0',
      DATA_DIR: join(home, 'data'),
      WORKER_CONFIG: file,
      ...env,
    },
  })
  const metrics = await running.line('metrics_listening')
  const api = await running.line('api_listening')
  const url = String(api['url']).replace('0.0.0.0', '127.0.0.1')
  return {
    ...running,
    url,
    port: Number(api['port']),
    metricsUrl: String(metrics['url']).replace('0.0.0.0', '127.0.0.1'),
    folder: home,
    call: (method, path, body, headers) => call(`${url}${path}`, method, body, headers),
  }
}

export async function call(
  url: string,
  method: string,
  body?: unknown,
  headers: Readonly<Record<string, string>> = {},
): Promise<Answer> {
  const type = body === undefined ? {} : { 'content-type': 'application/json' }
  const response = await fetch(url, {
    method,
    headers: { ...type, ...headers },
    ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  })
  const text = await response.text()
  const isJson = /json/.test(response.headers.get('content-type') ?? '')
  return { status: response.status, headers: response.headers, body: isJson ? JSON.parse(text) : text }
}
