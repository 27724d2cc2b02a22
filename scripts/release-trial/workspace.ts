import { appendFile, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expectEqual, read, run, tryRun } from './shell.ts'

interface Manifest {
  readonly name: string
  readonly version: string
  readonly private?: boolean
  readonly dependencies?: Readonly<Record<string, string>>
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
  /** One package and what it needs, or all. */
  build(name?: string): Promise<void>
  /** Packs what the registry lacks, checks each tarball, publishes the tarballs. Answers name@version of each. */
  publish(packs: string): Promise<string[]>
  /** Writes the bills of materials and throws where a dependency of a published package is not in its own. */
  checkMaterials(sboms: string): Promise<void>
}

export interface Change {
  readonly file: string
  readonly from: string
  readonly to: string
  readonly bump: 'patch' | 'minor' | 'major'
  readonly package: string
  readonly summary: string
}

/**
 * HEAD in a repository of its own without history: changesets would deepen the clone of a shallow one for ever. Dependencies come from the
 * local store, builds from the repository's turbo cache where nothing changed.
 */
export async function copyWorkspace(repository: string, folder: string, npmrc: string): Promise<Workspace> {
  const git = (...args: string[]) => run(['git', ...args], { cwd: folder })
  await run(['git', 'init', '--quiet', '--initial-branch=main', folder], { cwd: repository })
  await git('config', 'user.name', 'Release trial')
  await git('config', 'user.email', 'trial@localhost')
  await run(['bash', '-c', 'git archive HEAD | tar --extract --directory "$0"', folder], { cwd: repository })
  await git('add', '--all')
  await git('commit', '--quiet', '--message', 'HEAD')
  await writeFile(join(folder, '.npmrc'), npmrc)
  await appendFile(join(folder, '.git/info/exclude'), '.npmrc\n')
  const filters = ['--filter', 'mcp-worker', '--filter', './packages/*']
  await run(['pnpm', 'install', '--prefer-offline', '--frozen-lockfile', ...filters], { cwd: folder })
  const turbo = ['turbo', 'run', 'build', `--cache-dir=${join(repository, '.turbo/cache')}`]
  const build = ['pnpm', 'exec', ...turbo, '--output-logs=errors-only']
  return {
    folder,
    manifests: () => readManifests(folder),
    change: (change) => commitChange(folder, change, git),
    version: () => versionPackages(folder),
    async undo() {
      await git('reset', '--quiet', '--hard')
      await git('clean', '--quiet', '--force', '-d')
    },
    async commit(message) {
      await git('add', '--all')
      await git('commit', '--quiet', '--message', message)
    },
    async build(name = './packages/*') {
      await run([...build, `--filter=${name}`], { cwd: folder })
    },
    publish: (packs) => publishPackages(folder, packs, git),
    async checkMaterials(sboms) {
      await run(['bash', 'scripts/sbom.sh', sboms], { cwd: folder })
      for (const manifest of Object.values(await readManifests(folder))) await checkSbom(sboms, manifest)
    },
  }
}

type Git = (...args: string[]) => Promise<string>
const CHANGESET = ['pnpm', 'exec', 'changeset']

async function versionPackages(folder: string): Promise<Awaited<ReturnType<Workspace['version']>>> {
  const { code, said } = await tryRun([process.execPath, 'scripts/version-packages.ts'], { cwd: folder })
  return { code, said, files: await changedFiles(folder) }
}

async function publishPackages(folder: string, packs: string, git: Git): Promise<string[]> {
  // as in the workflow, where npm demands it for the provenance
  const env = { ...process.env, GITHUB_SERVER_URL: 'https://git.example', GITHUB_REPOSITORY: 'trial/trial' }
  await run([process.execPath, 'scripts/name-repository.ts'], { cwd: folder, env })
  await run([...CHANGESET, 'pack', '--out-dir', packs], { cwd: folder })
  await git('checkout', '--quiet', '--', 'packages')
  const { plan } = JSON.parse(await readFile(join(packs, 'publish-plan.json'), 'utf8')) as Plan
  const releases = plan.flat()
  for (const { tarball } of releases) await checkTarball(folder, join(packs, tarball.path))
  await run([...CHANGESET, 'publish', '--from-pack-dir', packs], { cwd: folder })
  return releases.map(({ name, version }) => `${name}@${version}`).toSorted()
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

async function commitChange(folder: string, change: Change, git: Git): Promise<void> {
  const path = join(folder, change.file)
  const text = await readFile(path, 'utf8')
  const changed = text.replace(change.from, change.to)
  if (changed === text)
    throw new Error(`${change.file} does not hold ${JSON.stringify(change.from)}: mend the trial`)
  await writeFile(path, changed)
  await git('commit', '--quiet', '--all', '--message', change.summary)
  // what the gate is for: a change without a changeset
  const gate = [...CHANGESET, 'status', '--since=HEAD~1']
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

interface Sbom {
  readonly bomFormat: string
  readonly metadata: { readonly component: Component }
  readonly components: readonly Component[]
}

interface Component {
  readonly group?: string
  readonly name: string
  readonly version: string
}

async function checkSbom(sboms: string, { name, version, dependencies = {} }: Manifest): Promise<void> {
  const file = `${name.slice(1).replace('/', '-')}-${version}.cdx.json`
  const sbom = JSON.parse(await readFile(join(sboms, file), 'utf8')) as Sbom
  const { component } = sbom.metadata
  expectEqual(file, [sbom.bomFormat, nameOf(component), component.version], ['CycloneDX', name, version])
  const known = new Set(sbom.components.map(nameOf))
  expectEqual(
    `${file}: missing`,
    Object.keys(dependencies).filter((each) => !known.has(each)),
    [],
  )
}

function nameOf({ group, name }: Component): string {
  return group === undefined ? name : `${group}/${name}`
}
