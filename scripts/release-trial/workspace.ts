import { appendFile, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expectEqual, read, run, tryRun } from './shell.ts'

export interface Manifest {
  readonly name: string
  readonly version: string
  readonly private?: boolean
  readonly peerDependencies?: Readonly<Record<string, string>>
}

export interface Workspace {
  readonly folder: string
  /** Of all packages that are published, by folder name. */
  manifests(): Promise<Readonly<Record<string, Manifest>>>
  /** Changes a file and commits it together with its changeset, as a pull request does. */
  change(options: Change): Promise<void>
  /** Runs scripts/version-packages.ts; answers its exit code, what it said, and the files it changed. */
  version(): Promise<{
    readonly code: number | null
    readonly said: string
    readonly files: readonly string[]
  }>
  /** Everything back to the last commit. */
  undo(): Promise<void>
  commit(message: string): Promise<void>
  build(): Promise<void>
  /** Packs what the registry lacks, checks each tarball, publishes the tarballs. Answers name@version of each. */
  publish(packs: string): Promise<string[]>
}

export interface Change {
  readonly file: string
  readonly from: string
  readonly to: string
  readonly bump: 'patch' | 'minor' | 'major'
  readonly package: string
  readonly summary: string
}

/** A clone of HEAD with dependencies from the local store; builds are taken from the repository's turbo cache where nothing changed. */
export async function cloneWorkspace(repository: string, folder: string, npmrc: string): Promise<Workspace> {
  await run(['git', 'clone', '--quiet', '--shared', repository, folder], { cwd: repository })
  const git = (...args: string[]) => run(['git', ...args], { cwd: folder })
  await git('switch', '--quiet', '--force-create', 'main')
  await git('config', 'user.name', 'Release trial')
  await git('config', 'user.email', 'trial@localhost')
  await writeFile(join(folder, '.npmrc'), npmrc)
  await appendFile(join(folder, '.git/info/exclude'), '.npmrc\n')
  const pnpm = (...args: string[]) => run(['pnpm', ...args], { cwd: folder })
  const filters = ['--filter', 'mcp-worker', '--filter', './packages/*']
  await pnpm('install', '--prefer-offline', '--frozen-lockfile', ...filters)
  const changeset = ['pnpm', 'exec', 'changeset']
  const cache = join(repository, '.turbo/cache')
  return {
    folder,
    manifests: () => readManifests(folder),
    change: (change) => commitChange(folder, change, git),
    async version() {
      const { code, said } = await tryRun([process.execPath, 'scripts/version-packages.ts'], { cwd: folder })
      return { code, said, files: await changedFiles(folder) }
    },
    async undo() {
      await git('reset', '--quiet', '--hard')
      await git('clean', '--quiet', '--force', '-d')
    },
    async commit(message) {
      await git('add', '--all')
      await git('commit', '--quiet', '--message', message)
    },
    async build() {
      const options = [`--cache-dir=${cache}`, '--output-logs=errors-only', '--filter=./packages/*']
      await pnpm('exec', 'turbo', 'run', 'build', ...options)
    },
    async publish(packs) {
      await run([...changeset, 'pack', '--out-dir', packs], { cwd: folder })
      const { plan } = JSON.parse(await readFile(join(packs, 'publish-plan.json'), 'utf8')) as Plan
      const releases = plan.flat()
      for (const { tarball } of releases) await checkTarball(folder, join(packs, tarball.path))
      await run([...changeset, 'publish', '--from-pack-dir', packs], { cwd: folder })
      return releases.map(({ name, version }) => `${name}@${version}`).toSorted()
    },
  }
}

interface Plan {
  readonly plan: readonly (readonly { name: string; version: string; tarball: { path: string } }[])[]
}

async function readManifests(folder: string): Promise<Record<string, Manifest>> {
  const manifests: Record<string, Manifest> = {}
  for (const name of await readdir(join(folder, 'packages'))) {
    const manifest = JSON.parse(
      await readFile(join(folder, 'packages', name, 'package.json'), 'utf8'),
    ) as Manifest
    if (manifest.private !== true) manifests[name] = manifest
  }
  return manifests
}

async function commitChange(
  folder: string,
  change: Change,
  git: (...args: string[]) => Promise<string>,
): Promise<void> {
  const path = join(folder, change.file)
  const text = await readFile(path, 'utf8')
  const changed = text.replace(change.from, change.to)
  if (changed === text)
    throw new Error(`${change.file} does not hold ${JSON.stringify(change.from)}: mend the trial`)
  await writeFile(path, changed)
  await git('commit', '--quiet', '--all', '--message', change.summary)
  // what the gate is for: a change without a changeset
  const gate = ['pnpm', 'exec', 'changeset', 'status', '--since=HEAD~1']
  expectEqual('changeset status without a changeset', (await tryRun(gate, { cwd: folder })).code, 1)
  const id = `${change.bump}-${change.package.replaceAll(/\W+/g, '-')}`
  const front = `---\n'${change.package}': ${change.bump}\n---\n\n`
  await writeFile(join(folder, '.changeset', `${id}.md`), `${front}${change.summary}\n`)
  await git('add', '.changeset')
  await git('commit', '--quiet', '--amend', '--no-edit')
  expectEqual('changeset status with a changeset', (await tryRun(gate, { cwd: folder })).code, 0)
}

async function changedFiles(folder: string): Promise<string[]> {
  const lines = await read(['git', 'status', '--porcelain', '--untracked-files=all'], { cwd: folder })
  return lines
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => line.slice(3))
    .toSorted()
}

async function checkTarball(folder: string, tarball: string): Promise<void> {
  await run(['pnpm', 'exec', 'publint', '--strict', tarball], { cwd: folder })
  const attw = ['attw', '--quiet', '--no-color', '--profile', 'esm-only', tarball]
  await run(['pnpm', 'exec', ...attw], { cwd: folder })
}
