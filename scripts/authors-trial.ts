/**
 * Follows docs/writing-a-handler.md (and with it packages/create-handler/README.md) to the letter, as somebody who has only what is published: pnpm exec node scripts/authors-trial.ts [--show]
 *
 * The packages of this repository are packed and published to a registry of the trial, and the page is followed (see page.ts) in an empty folder. Where
 * it says `$MCP_WORKER`, this repository is meant. Needs built packages.
 */
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { compare, follow, readSteps } from './page.ts'
import { npmrcWith, startRegistry } from './release-trial/registry.ts'
import { run, step } from './release-trial/shell.ts'

const PAGE = 'docs/writing-a-handler.md'
/** What an author needs of the scope; the deployed worker is made from the repository. */
const PUBLISHED = ['@mcp-worker/runtime', '@mcp-worker/create-handler']
const MAX_MS = 600_000
const GIT_AUTHOR = {
  GIT_AUTHOR_NAME: 'Author',
  GIT_AUTHOR_EMAIL: 'author@localhost',
  GIT_COMMITTER_NAME: 'Author',
  GIT_COMMITTER_EMAIL: 'author@localhost',
}

const repository = fileURLToPath(new URL('..', import.meta.url))
const steps = readSteps(PAGE)
const folder = mkdtempSync(join(tmpdir(), 'authors-trial-'))
const registry = await startRegistry(join(folder, 'registry'))
try {
  const npmrc = join(folder, 'npmrc')
  await npmrcWith(registry.npmrc, npmrc)
  await publishPackages(npmrc)
  const [cwd, outputs] = [join(folder, 'empty'), join(folder, 'outputs')]
  for (const made of [cwd, outputs]) mkdirSync(made)
  const env = {
    ...GIT_AUTHOR,
    NO_COLOR: '1',
    npm_config_userconfig: npmrc,
    npm_config_yes: 'true',
    MCP_WORKER: repository,
  }
  const following = { path: PAGE, steps, cwd, outputs, env, maxMs: MAX_MS }
  step('following')
  await follow(following)
  compare(following)
} finally {
  await registry.stop()
  rmSync(folder, { recursive: true, force: true })
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
