/**
 * `changeset version`, and what must hold after it: node scripts/version-packages.ts
 *
 * A handler's peer range on the runtime says for which runtimes it was made. It moves on purpose only, with a major of the handler: whoever
 * stays on the old runtime would otherwise get a patch that does not install. Changesets moves the range, in a patch, of each package that a
 * runtime's major leaves out of range; this refuses that and says what to write instead.
 */
import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

interface Manifest {
  readonly name: string
  readonly version: string
  readonly peerDependencies?: Readonly<Record<string, string>>
}

const { values } = parseArgs({ options: { root: { type: 'string' } } })
const root = values.root ?? fileURLToPath(new URL('..', import.meta.url))
const run = (file: string, ...args: string[]) => execFileSync(file, args, { cwd: root, encoding: 'utf8' })

console.log(run(process.execPath, 'node_modules/@changesets/cli/bin.js', 'version').trim())
const faults = readdirSync(`${root}/packages`).flatMap((folder) =>
  movedRanges(`packages/${folder}/package.json`),
)
if (faults.length > 0) {
  console.error(faults.join('\n'))
  process.exitCode = 1
}

function movedRanges(path: string): string[] {
  const now = JSON.parse(readFileSync(`${root}/${path}`, 'utf8')) as Manifest
  const before = JSON.parse(run('git', 'show', `HEAD:${path}`)) as Manifest
  if (major(now) > major(before)) return []
  return Object.entries(now.peerDependencies ?? {})
    .filter(([name]) => name.startsWith('@mcp-worker/'))
    .filter(([name, range]) => before.peerDependencies?.[name] !== range)
    .map(
      ([name, range]) =>
        `${now.name} ${now.version}: its peer range of ${name} would move from ${before.peerDependencies?.[name]} to ${range} ` +
        `without a major of its own; widen the range by hand (^1.0.0 || ^2.0.0) if it runs on both, else add a changeset with a major for it`,
    )
}

function major({ version }: Manifest): number {
  return Number(version.split('.')[0])
}
