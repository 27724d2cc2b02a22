/** The deployable service (apps/worker) as its own process, with the plugin of service-plugin.ts, on a folder of its own and free ports. */
import { spawn } from 'node:child_process'
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { linesOf } from './json-lines.ts'
import { monotonicMs } from './monotonic.ts'
import type { Exit } from './worker-process.ts'

const MAIN = join(import.meta.dirname, '../apps/worker/dist/main.js')
const PLUGIN = pathToFileURL(join(import.meta.dirname, 'service-plugin.ts')).href
const START_MS = 60_000

interface Answer {
  readonly status: number
  readonly headers: Headers
  /** Empty where the body is no JSON object. */
  readonly body: Readonly<Record<string, unknown>>
}

type LogRecord = Readonly<Record<string, unknown>> & { readonly event: string }

export interface Service {
  readonly pid: number
  readonly port: number
  readonly database: string
  readonly exited: Promise<Exit>
  hasEnded(): boolean
  /** Rejects where no answer comes. */
  call(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer>
  log(): readonly LogRecord[]
  errors(): string
  signal(signal: NodeJS.Signals): void
  /** SIGTERM, and the end. */
  stop(): Promise<Exit>
}

export interface ServiceOptions {
  readonly folder: string
  /** Holds the queue's file. Default: below the folder. */
  readonly dataDir?: string
  /** Members of the configuration file. */
  readonly config?: Readonly<Record<string, unknown>>
  readonly env?: Readonly<Record<string, string>>
}

let starts = 0

export async function startService({ folder, dataDir, config, env }: ServiceOptions): Promise<Service> {
  if (!existsSync(MAIN)) throw new Error(`there is no built service in ${MAIN}: run \`pnpm build\` first`)
  const data = dataDir ?? join(folder, 'data')
  const run = join(folder, `run-${++starts}`)
  mkdirSync(run, { recursive: true })
  const configFile = join(run, 'worker.config.json')
  writeFileSync(configFile, JSON.stringify({ plugins: [{ package: PLUGIN }], ...config }))
  const ports = { API_PORT: '0', METRICS_PORT: '0' }
  const own = { DATA_DIR: data, WORKER_CONFIG: configFile, SHUTDOWN_TIMEOUT: '10', PATH: process.env['PATH'] }
  const started = launch(run, { ...ports, ...own, ...env })
  const service = { ...started, database: join(data, 'queue.db') }
  return { ...service, port: await portOf(service) }
}

function launch(run: string, env: NodeJS.ProcessEnv) {
  const [log, errors] = [join(run, 'log.jsonl'), join(run, 'errors.txt')]
  const [out, err] = [openSync(log, 'a'), openSync(errors, 'a')]
  const child = spawn(process.execPath, [MAIN, 'start'], { cwd: run, env, stdio: ['ignore', out, err] })
  closeSync(out)
  closeSync(err)
  let ended = false
  const exited = new Promise<Exit>((resolve) => {
    child.once('exit', (code, signal) => {
      ended = true
      resolve({ code, signal, at: monotonicMs() })
    })
  })
  let url: string | null = null
  return {
    pid: child.pid!,
    exited,
    hasEnded: () => ended,
    log: () => linesOf<LogRecord>(log),
    errors: () => readFileSync(errors, 'utf8'),
    signal: (signal: NodeJS.Signals) => void child.kill(signal),
    stop() {
      child.kill('SIGTERM')
      return exited
    },
    call(method: string, path: string, body?: unknown, headers: Record<string, string> = {}) {
      url ??= String(linesOf<LogRecord>(log).find(({ event }) => event === 'api_listening')?.['url'])
      return callUrl(`${url}${path}`, method, body, headers)
    },
  }
}

async function callUrl(
  url: string,
  method: string,
  body: unknown,
  headers: Record<string, string>,
): Promise<Answer> {
  const sent = body === undefined ? {} : { body: JSON.stringify(body) }
  const type = body === undefined ? {} : { 'content-type': 'application/json' }
  const response = await fetch(url, { method, headers: { ...type, ...headers }, ...sent })
  const text = await response.text()
  const isJson = (response.headers.get('content-type') ?? '').includes('json')
  return {
    status: response.status,
    headers: response.headers,
    body: isJson ? (JSON.parse(text) as Record<string, unknown>) : {},
  }
}

async function portOf(service: Pick<Service, 'log' | 'hasEnded' | 'errors' | 'signal'>): Promise<number> {
  for (const end = performance.now() + START_MS; ; await new Promise((resolve) => setTimeout(resolve, 20))) {
    const listening = service.log().find(({ event }) => event === 'api_listening')
    if (listening) return Number(listening['port'])
    if (!service.hasEnded() && performance.now() < end) continue
    service.signal('SIGKILL')
    throw new Error(`the service did not start: ${service.errors().slice(-1000)}`)
  }
}
