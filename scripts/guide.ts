/**
 * Follows a guide to the letter, in an empty folder that shows this repository's folders by links: `node scripts/guide.ts docs/guides/index-a-folder.md [--show]`.
 * How a page is followed is in page.ts. Needs built packages.
 */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { compare, follow, readSteps } from './page.ts'

const LINKED = ['apps', 'docs', 'examples', 'node_modules', 'packages', 'package.json']
const MAX_MS = 300_000

const repository = fileURLToPath(new URL('..', import.meta.url))
const [, , path] = process.argv
if (path === undefined) throw new Error('expected the path of a guide')
const steps = readSteps(path)
const folder = mkdtempSync(join(tmpdir(), 'mcp-worker-guide-'))
try {
  const [cwd, outputs] = [join(folder, 'empty'), join(folder, 'outputs')]
  for (const made of [cwd, outputs]) mkdirSync(made)
  for (const name of LINKED) symlinkSync(join(repository, name), join(cwd, name))
  const following = { path, steps, cwd, outputs, maxMs: MAX_MS }
  await follow(following)
  compare(following)
} finally {
  rmSync(folder, { recursive: true, force: true })
}
