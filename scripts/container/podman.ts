import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'

/** What a program did. */
interface Ran {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

interface Answer<T> {
  readonly status: number
  readonly body: T
}

interface LogLine {
  readonly event: string
  readonly [key: string]: unknown
}

interface RunOptions {
  /** The volume at /data. */
  readonly volume: string
  readonly env?: Readonly<Record<string, string>>
  /** More of `podman run`. */
  readonly flags?: readonly string[]
}

/** A container with a network of its own in which only loopback exists: it is called from inside, by its own curl. */
export interface Container {
  readonly name: string
  /** Runs this line with the container's shell and environment. */
  sh(line: string, input?: string): Promise<Ran>
  /** A request to the API with the token. */
  call<T>(method: string, path: string, body?: unknown): Promise<Answer<T>>
  /** The sum of a metric's samples that have all these labels. */
  metric(name: string, labels?: Readonly<Record<string, string>>): Promise<number>
  logs(): Promise<{ readonly lines: readonly LogLine[]; readonly stderr: string }>
  ready(): Promise<void>
  start(): Promise<void>
  /** SIGKILL to the container's first process, from outside. */
  kill(): Promise<void>
  /** SIGTERM, and SIGKILL after `graceSeconds`. Answers how long it took. */
  stop(graceSeconds: number): Promise<number>
  /** The exit code, once it has ended. */
  ended(): Promise<number>
}

export interface Engine {
  readonly token: string
  run(options: RunOptions): Promise<Container>
  /** Runs it to its end, without token and volume. */
  runBare(): Promise<Ran>
  volume(): Promise<string>
  /** Where the volume's files lie on this machine. */
  folderOf(volume: string): Promise<string>
  healthcheck(): Promise<unknown>
  /** Removes the containers and volumes that were made here, and no others. */
  end(): Promise<void>
}

const POLL_MS = 200

/** Those of deploy/compose.yaml. */
export const LIMITS = ['--memory=1g', '--cpus=1']

function podman(args: readonly string[], input = ''): Promise<Ran> {
  return new Promise((resolve, reject) => {
    const child = spawn('podman', args, { stdio: 'pipe' })
    let stdout = ''
    let stderr = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
    child.on('error', reject)
    child.on('close', (code) => resolve({ code: code ?? -1, stdout, stderr }))
    child.stdin.on('error', () => undefined).end(input)
  })
}

/** As `podman`, but a failure is thrown. Answers what was printed. */
async function expectPodman(...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await podman(args)
  if (code !== 0) throw new Error(`podman ${args.join(' ')}: exit ${code}: ${stderr.trim()}`)
  return stdout.trim()
}

/** Asks until the answer is neither null nor false. */
export async function until<T>(
  what: string,
  ask: () => Promise<T | null | false>,
  timeoutMs = 120_000,
): Promise<T> {
  const deadline = performance.now() + timeoutMs
  for (;;) {
    const answer = await ask()
    if (answer !== null && answer !== false) return answer
    if (performance.now() > deadline) throw new Error(`waited ${timeoutMs / 1_000} s in vain until ${what}`)
    await new Promise((resolve) => setTimeout(resolve, POLL_MS))
  }
}

export function createEngine(image: string): Engine {
  const run = randomUUID().slice(0, 8)
  const token = randomUUID()
  const containers: string[] = []
  const volumes: string[] = []
  const nextName = () => {
    const name = `mcp-worker-check-${run}-${containers.length + 1}`
    containers.push(name)
    return name
  }
  return {
    token,
    run: async ({ volume, env = {}, flags = [] }) => {
      const name = nextName()
      const variables = Object.entries({ API_TOKEN: token, ...env }).map(
        ([key, value]) => `--env=${key}=${value}`,
      )
      await expectPodman(
        'run',
        '--detach',
        '--name',
        name,
        '--volume',
        `${volume}:/data`,
        ...variables,
        ...flags,
        image,
      )
      return createContainer(name)
    },
    runBare: () => podman(['run', '--name', nextName(), image]),
    volume: async () => {
      const name = `mcp-worker-check-${run}-data-${volumes.length + 1}`
      volumes.push(name)
      return expectPodman('volume', 'create', name)
    },
    folderOf: (volume) => expectPodman('volume', 'inspect', '--format', '{{.Mountpoint}}', volume),
    healthcheck: async () =>
      JSON.parse(
        await expectPodman('image', 'inspect', '--format', '{{json .HealthCheck}}', image),
      ) as unknown,
    end: async () => {
      for (const name of containers) await podman(['rm', '--force', '--time', '0', '--volumes', name])
      for (const name of volumes) await podman(['volume', 'rm', name])
    },
  }
}

function createContainer(name: string): Container {
  const sh = (line: string, input?: string) =>
    podman(['exec', '--interactive', name, 'sh', '-c', line], input)
  const get = async (path: string) => (await sh(`curl -sf http://localhost:9090${path}`)).code === 0
  const isRunning = async () =>
    (await expectPodman('inspect', '--format', '{{.State.Status}}', name)) === 'running'
  const container: Container = {
    name,
    sh,
    call: (method, path, body) => call(sh, method, path, body),
    metric: async (metric, labels = {}) =>
      sumOf((await sh('curl -sf http://localhost:9090/metrics')).stdout, metric, labels),
    logs: async () => {
      const { stdout, stderr } = await podman(['logs', name])
      const lines = stdout.split('\n').filter((line) => line !== '')
      return { lines: lines.map((line) => JSON.parse(line) as LogLine), stderr }
    },
    ready: async () => {
      await until(`${name} is ready`, async () => {
        if (!(await isRunning())) throw new Error(`it ended: ${(await container.logs()).stderr}`)
        return get('/readyz')
      })
    },
    start: async () => void (await expectPodman('start', name)),
    kill: async () => void (await expectPodman('kill', '--signal', 'KILL', name)),
    stop: async (graceSeconds) => {
      const from = performance.now()
      await expectPodman('stop', '--time', String(graceSeconds), name)
      return performance.now() - from
    },
    ended: async () => {
      await until(`${name} has ended`, async () => !(await isRunning()))
      return Number(await expectPodman('inspect', '--format', '{{.State.ExitCode}}', name))
    },
  }
  return container
}

async function call<T>(sh: Container['sh'], method: string, path: string, body: unknown): Promise<Answer<T>> {
  const data = body === undefined ? '' : '-H "Content-Type: application/json" --data-binary @-'
  const line = `curl -sS -X ${method} -w '\\n%{http_code}' -H "Authorization: Bearer $API_TOKEN" ${data} 'http://localhost:8000${path}'`
  const { code, stdout, stderr } = await sh(line, body === undefined ? '' : JSON.stringify(body))
  if (code !== 0) throw new Error(`${method} ${path}: curl ended with ${code}: ${stderr.trim()}`)
  const end = stdout.lastIndexOf('\n')
  return { status: Number(stdout.slice(end + 1)), body: JSON.parse(stdout.slice(0, end)) as T }
}

function sumOf(text: string, metric: string, labels: Readonly<Record<string, string>>): number {
  const wanted = Object.entries(labels).map(([key, value]) => `${key}="${value}"`)
  const samples = text
    .split('\n')
    .filter((line) => line.startsWith(`${metric}{`) || line.startsWith(`${metric} `))
  return samples
    .filter((line) => wanted.every((label) => line.includes(label)))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0)
}
