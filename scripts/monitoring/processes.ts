import { type ChildProcess, spawn } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { freePort } from '../../packages/test-servers/src/server.ts'

const MAIN = fileURLToPath(new URL('../../apps/worker/dist/main.js', import.meta.url))
const POLL_MS = 200

export interface Started {
  readonly child: ChildProcess
  /** Answers once `ask` does; throws with what was printed when the process ends before. */
  until(what: string, ask: () => Promise<boolean>): Promise<void>
  /** SIGTERM, and SIGKILL after a while. Answers the exit code. */
  stop(): Promise<number | null>
}

export function startProcess(
  file: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Started {
  const child = spawn(file, args, {
    env: { PATH: process.env['PATH'] ?? '', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let printed = ''
  const keep = (text: string) => (printed = (printed + text).slice(-4_000))
  child.stdout.setEncoding('utf8').on('data', keep)
  child.stderr.setEncoding('utf8').on('data', keep)
  let hasEnded = false
  const exited = new Promise<void>((resolve) => {
    const end = () => {
      hasEnded = true
      resolve()
    }
    child.on('exit', end)
    child.on('error', (error) => {
      keep(error.message)
      end()
    })
  })
  return {
    child,
    until: (what, ask) =>
      until(what, async () => {
        if (hasEnded) throw new Error(`${file} ended: ${printed}`)
        return ask()
      }),
    async stop() {
      if (hasEnded) return child.exitCode
      child.kill('SIGTERM')
      const late = setTimeout(() => child.kill('SIGKILL'), 40_000)
      await exited
      clearTimeout(late)
      return child.exitCode
    },
  }
}

export interface RunningWorker extends Started {
  readonly metricsPort: number
  submit(tasks: readonly object[]): Promise<void>
}

/** The built service on two free ports; ready when this resolves. */
export async function startWorker(dataDir: string, configFile: string): Promise<RunningWorker> {
  const [apiPort, metricsPort] = [await freePort(), await freePort()]
  const worker = startProcess(process.execPath, [MAIN, 'start'], {
    DATA_DIR: dataDir,
    WORKER_CONFIG: configFile,
    API_PORT: String(apiPort),
    METRICS_PORT: String(metricsPort),
    LOG_LEVEL: 'ERROR',
  })
  await worker.until('the worker is ready', () => answers(`http://127.0.0.1:${metricsPort}/readyz`))
  return {
    ...worker,
    metricsPort,
    async submit(tasks) {
      const response = await fetch(`http://127.0.0.1:${apiPort}/tasks/batch`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ tasks }),
      })
      if (response.status !== 202) throw new Error(`submit: ${response.status} ${await response.text()}`)
    },
  }
}

async function answers(url: string): Promise<boolean> {
  return fetch(url).then(
    (response) => response.ok,
    () => false,
  )
}

async function until(what: string, ask: () => Promise<boolean>, timeoutMs = 60_000): Promise<void> {
  const deadline = performance.now() + timeoutMs
  while (!(await ask())) {
    if (performance.now() > deadline) throw new Error(`waited ${timeoutMs / 1_000} s in vain until ${what}`)
    await sleep(POLL_MS)
  }
}
