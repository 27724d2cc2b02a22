/**
 * Follows docs/writing-a-handler.md (and with it packages/create-handler/README.md) to the letter, as somebody who has only what is published: pnpm exec node scripts/authors-trial.ts [--show]
 *
 * The packages of this repository are packed and published to a registry of the trial. Each block under `<!-- run -->` runs in one bash, one after
 * the other, in an empty folder; what it prints must be the block under the next `<!-- prints -->`, where `…` stands for anything. Where the page
 * says `$MCP_WORKER`, this repository is meant. Needs built packages.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { freePort } from '../packages/test-servers/src/server.ts'
import { npmrcWith, startRegistry } from './release-trial/registry.ts'
import { run, step } from './release-trial/shell.ts'

const PAGE = 'docs/writing-a-handler.md'
const BLOCK = /<!-- (?<kind>run|prints) -->\n+```\w*\n(?<code>[\s\S]*?)```/g
/** What an author needs of the scope; the deployed worker is made from the repository. */
const PUBLISHED = ['@mcp-worker/runtime', '@mcp-worker/create-handler']
const MAX_MS = 600_000
const GIT_AUTHOR = {
  GIT_AUTHOR_NAME: 'Author',
  GIT_AUTHOR_EMAIL: 'author@localhost',
  GIT_COMMITTER_NAME: 'Author',
  GIT_COMMITTER_EMAIL: 'author@localhost',
}

interface Step {
  readonly number: number
  readonly code: string
  /** null: the page does not say. */
  readonly prints: string | null
}

const repository = fileURLToPath(new URL('..', import.meta.url))
const steps = readSteps(readFileSync(join(repository, PAGE), 'utf8'))
const folder = mkdtempSync(join(tmpdir(), 'authors-trial-'))
const outputs = join(folder, 'outputs')
mkdirSync(outputs)
const registry = await startRegistry(join(folder, 'registry'))
try {
  const npmrc = join(folder, 'npmrc')
  await npmrcWith(registry.npmrc, npmrc)
  await publishPackages(npmrc)
  await follow(npmrc)
  if (process.argv.includes('--show'))
    for (const { number, code } of steps) console.log(`$ ${code}\n${printedBy(number)}`)
  else for (const each of steps) compare(each)
  step(`${PAGE}: ${steps.length} steps, each as the page says`)
} finally {
  await registry.stop()
  rmSync(folder, { recursive: true, force: true })
}

function readSteps(page: string): readonly Step[] {
  const blocks = [...page.matchAll(BLOCK)].map(({ groups = {} }) => groups)
  const found = blocks.flatMap(({ kind, code = '' }, index) => {
    const next = blocks[index + 1]
    return kind === 'run' ? [{ code, prints: next?.['kind'] === 'prints' ? (next['code'] ?? '') : null }] : []
  })
  if (found.length === 0) throw new Error(`${PAGE} has no step: the check looks for nothing`)
  return found.map((each, number) => ({ ...each, number }))
}

async function publishPackages(npmrc: string): Promise<void> {
  step('packing and publishing')
  const packs = join(folder, 'packs')
  const filters = PUBLISHED.flatMap((name) => ['--filter', name])
  await run(['pnpm', '-r', ...filters, 'pack', '--pack-destination', packs], { cwd: repository })
  const env = { ...process.env, npm_config_userconfig: npmrc }
  for (const tarball of readdirSync(packs))
    await run(['npm', 'publish', '--silent', join(packs, tarball)], { cwd: folder, env })
}

/** In a process group of its own, which is killed whatever happens. */
async function follow(npmrc: string): Promise<void> {
  step('following')
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
    ...GIT_AUTHOR,
    PATH: `${dirname(process.execPath)}${delimiter}${process.env['PATH'] ?? ''}`,
    NO_COLOR: '1',
    npm_config_userconfig: npmrc,
    npm_config_yes: 'true',
    MCP_WORKER: repository,
    API_PORT: String(apiPort),
    METRICS_PORT: String(metricsPort),
    MCP_WORKER_URL: `http://127.0.0.1:${apiPort}`,
  }
  const cwd = join(folder, 'empty')
  mkdirSync(cwd)
  const bash = spawn('bash', ['-c', program.join('\n')], {
    cwd,
    env,
    detached: true,
    stdio: ['ignore', 1, 2],
  })
  const tooLong = setTimeout(() => endGroup(bash.pid), MAX_MS)
  const [code] = (await once(bash, 'exit')) as [number | null]
  clearTimeout(tooLong)
  endGroup(bash.pid)
  if (code !== 0)
    throw new Error(`${PAGE}: ended with ${code ?? `a kill after ${MAX_MS} ms`}\n${whereItEnded(cwd)}`)
}

function endGroup(pid: number | undefined): void {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGKILL')
  } catch {
    // nobody is left in it
  }
}

/** The last step that began, and what the worker said. */
function whereItEnded(cwd: string): string {
  const last = steps.findLast(({ number }) => existsSync(join(outputs, `${number}.out`)))
  const log = join(cwd, 'worker.log')
  const said = existsSync(log) ? readFileSync(log, 'utf8').trimEnd().split('\n').slice(-5).join('\n') : ''
  return `step: ${last?.code}\nit printed: ${last ? printedBy(last.number) : ''}\nworker.log:\n${said}`
}

function printedBy(number: number): string {
  return readFileSync(join(outputs, `${number}.out`), 'utf8')
}

function compare({ number, code, prints }: Step): void {
  if (prints === null) return
  const printed = printedBy(number).trim()
  const pattern = prints.trim().split('…').map(escapePattern).join('[\\s\\S]*')
  if (new RegExp(`^${pattern}$`).test(printed)) return
  throw new Error(`${PAGE}: a step prints other than the page says\n${code}\nit printed:\n${printed}`)
}

function escapePattern(text: string): string {
  return text.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&')
}
