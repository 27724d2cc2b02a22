/**
 * Follows a guide to the letter: `node scripts/guide.ts docs/guides/index-a-folder.md [--show]`.
 *
 * Each block under `<!-- run -->` runs in one bash, one after the other, in an empty folder that shows this repository's folders by links. What a
 * block prints must be the block under the next `<!-- prints -->`, where `…` stands for anything. `--show` prints what was printed in place of
 * comparing it. Needs built packages.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { freePort } from '../packages/test-servers/src/server.ts'

const BLOCK = /<!-- (?<kind>run|prints) -->\n+```\w*\n(?<code>[\s\S]*?)```/g
const LINKED = ['apps', 'docs', 'examples', 'node_modules', 'packages', 'package.json']
const MAX_MS = 300_000

const repository = fileURLToPath(new URL('..', import.meta.url))
const [, , path, show] = process.argv
if (path === undefined) throw new Error('expected the path of a guide')
const guide = readFileSync(join(repository, path), 'utf8')
const blocks = [...guide.matchAll(BLOCK)].map(({ groups = {} }) => groups)

const steps = stepsOf()
const folder = mkdtempSync(join(tmpdir(), 'mcp-worker-guide-'))
try {
  for (const name of LINKED) symlinkSync(join(repository, name), join(folder, name))
  await follow()
  if (show === '--show') for (const step of steps) console.log(`$ ${step.code}\n${printedBy(step)}`)
  else for (const step of steps) compare(step)
  console.log(`${path}: ${steps.length} steps, each as the guide says`)
} finally {
  rmSync(folder, { recursive: true, force: true })
}

interface Step {
  readonly number: number
  readonly code: string
  /** null: the guide does not say. */
  readonly prints: string | null
}

function stepsOf(): readonly Step[] {
  const found: Step[] = []
  for (const [index, { kind, code = '' }] of blocks.entries()) {
    if (kind !== 'run') continue
    const next = blocks[index + 1]
    found.push({
      number: found.length,
      code,
      prints: next?.['kind'] === 'prints' ? (next['code'] ?? '') : null,
    })
  }
  if (found.length === 0) throw new Error(`${path} has no step: the check looks for nothing`)
  return found
}

/** In a process group of its own, which is killed whatever happens. */
async function follow(): Promise<void> {
  const apiPort = await freePort()
  const metricsPort = await freePort()
  const program = ['set -euo pipefail']
  for (const { number, code } of steps) {
    // the ports of the guide may be taken here
    writeFileSync(join(folder, `${number}.sh`), code.replaceAll('localhost:9090', `localhost:${metricsPort}`))
    program.push(`. ./${number}.sh >${number}.out`)
  }
  const env = {
    ...process.env,
    PATH: `${dirname(process.execPath)}${delimiter}${process.env['PATH'] ?? ''}`,
    API_PORT: String(apiPort),
    METRICS_PORT: String(metricsPort),
    MCP_WORKER_URL: `http://127.0.0.1:${apiPort}`,
  }
  const bash = spawn('bash', ['-c', program.join('\n')], {
    cwd: folder,
    env,
    detached: true,
    stdio: ['ignore', 1, 2],
  })
  const tooLong = setTimeout(() => endGroup(bash.pid), MAX_MS)
  const [code] = (await once(bash, 'exit')) as [number | null]
  clearTimeout(tooLong)
  endGroup(bash.pid)
  if (code !== 0)
    throw new Error(`${path}: ended with ${code ?? `a kill after ${MAX_MS} ms`}\n${whereItEnded()}`)
}

function endGroup(pid: number | undefined): void {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGKILL')
  } catch {
    // nobody is left in it
  }
}

/** The last step that began, and what the worker said. */
function whereItEnded(): string {
  const last = steps.findLast(({ number }) => existsSync(join(folder, `${number}.out`)))
  const log = join(folder, 'worker.log')
  const said = existsSync(log) ? readFileSync(log, 'utf8').trimEnd().split('\n').slice(-5).join('\n') : ''
  return `step: ${last?.code}\nit printed: ${last ? printedBy(last) : ''}\nworker.log:\n${said}`
}

function printedBy({ number }: Step): string {
  return readFileSync(join(folder, `${number}.out`), 'utf8')
}

function compare(step: Step): void {
  if (step.prints === null) return
  const printed = printedBy(step).trim()
  const pattern = step.prints.trim().split('…').map(escapePattern).join('[\\s\\S]*')
  if (new RegExp(`^${pattern}$`).test(printed)) return
  throw new Error(`${path}: a step prints other than the guide says\n${step.code}\nit printed:\n${printed}`)
}

function escapePattern(text: string): string {
  return text.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&')
}
