/**
 * Pages that are followed to the letter. Each block under `<!-- run -->` runs in one bash, one after the other; what it prints must be the block under
 * the next `<!-- prints -->`, where `…` stands for anything.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { freePort } from '../packages/test-servers/src/server.ts'

const BLOCK = /<!-- (?<kind>run|prints) -->\n+```\w*\n(?<code>[\s\S]*?)```/g

const repository = fileURLToPath(new URL('..', import.meta.url))

export interface Step {
  readonly number: number
  readonly code: string
  /** null: the page does not say. */
  readonly prints: string | null
}

/** Of a page, by its path in the repository. */
export function readSteps(path: string): readonly Step[] {
  const page = readFileSync(join(repository, path), 'utf8')
  const blocks = [...page.matchAll(BLOCK)].map(({ groups = {} }) => groups)
  const found = blocks.flatMap(({ kind, code = '' }, index) => {
    const next = blocks[index + 1]
    return kind === 'run' ? [{ code, prints: next?.['kind'] === 'prints' ? (next['code'] ?? '') : null }] : []
  })
  if (found.length === 0) throw new Error(`${path} has no step: the check looks for nothing`)
  return found.map((each, number) => ({ ...each, number }))
}

export interface Following {
  readonly path: string
  readonly steps: readonly Step[]
  /** Where the steps run. */
  readonly cwd: string
  /** A folder for the scripts and what they print. */
  readonly outputs: string
  /** Beside this process's own. */
  readonly env?: Readonly<Record<string, string>>
  readonly maxMs: number
}

/** Runs the steps, with a worker's ports free. In a process group of its own, which is killed whatever happens. Throws where a step fails. */
export async function follow(following: Following): Promise<void> {
  const { path, steps, cwd, outputs, maxMs } = following
  const apiPort = await freePort()
  const metricsPort = await freePort()
  const program = ['set -euo pipefail']
  for (const { number, code } of steps) {
    // the ports of the page may be taken here
    const script = code.replaceAll('localhost:9090', `localhost:${metricsPort}`)
    writeFileSync(join(outputs, `${number}.sh`), script)
    program.push(`. ${outputs}/${number}.sh >${outputs}/${number}.out`)
  }
  const env = {
    ...process.env,
    PATH: `${dirname(process.execPath)}${delimiter}${process.env['PATH'] ?? ''}`,
    ...following.env,
    API_PORT: String(apiPort),
    METRICS_PORT: String(metricsPort),
    MCP_WORKER_URL: `http://127.0.0.1:${apiPort}`,
  }
  const bash = spawn('bash', ['-c', program.join('\n')], {
    cwd,
    env,
    detached: true,
    stdio: ['ignore', 1, 2],
  })
  const tooLong = setTimeout(() => endGroup(bash.pid), maxMs)
  const [code] = (await once(bash, 'exit')) as [number | null]
  clearTimeout(tooLong)
  endGroup(bash.pid)
  if (code !== 0)
    throw new Error(`${path}: ended with ${code ?? `a kill after ${maxMs} ms`}\n${whereItEnded(following)}`)
}

/** Holds what the steps printed against the page; with `--show` among the arguments it is printed in place of that. */
export function compare(following: Following): void {
  const { path, steps } = following
  for (const step of steps) {
    const printed = printedBy(following, step)
    if (process.argv.includes('--show')) console.log(`$ ${step.code}\n${printed}`)
    else if (!isAsTheStepSays(step, printed))
      throw new Error(
        `${path}: a step prints other than the page says\n${step.code}\nit printed:\n${printed.trim()}`,
      )
  }
  console.log(`${path}: ${steps.length} steps, each as the page says`)
}

function isAsTheStepSays({ prints }: Step, printed: string): boolean {
  if (prints === null) return true
  const pattern = prints.trim().split('…').map(escapePattern).join('[\\s\\S]*')
  return new RegExp(`^${pattern}$`).test(printed.trim())
}

function printedBy({ outputs }: Following, { number }: Step): string {
  return readFileSync(join(outputs, `${number}.out`), 'utf8')
}

/** The last step that began, and what the worker said. */
function whereItEnded(following: Following): string {
  const { steps, cwd, outputs } = following
  const last = steps.findLast(({ number }) => existsSync(join(outputs, `${number}.out`)))
  const log = join(cwd, 'worker.log')
  const said = existsSync(log) ? readFileSync(log, 'utf8').trimEnd().split('\n').slice(-5).join('\n') : ''
  return `step: ${last?.code}\nit printed: ${last ? printedBy(following, last) : ''}\nworker.log:\n${said}`
}

function endGroup(pid: number | undefined): void {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGKILL')
  } catch {
    // nobody is left in it
  }
}

function escapePattern(text: string): string {
  return text.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&')
}
