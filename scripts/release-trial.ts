/**
 * The whole way of a release against a registry of its own: pnpm exec node scripts/release-trial.ts
 *
 * In a copy of HEAD: version, build, check, pack, publish; install in an empty npm project as each README.md says; run a task of each handler. What is shown:
 *   1. all packages are published, with a bill of materials each, and run on Node.js 22, 24 and 26; so does the frozen plugin of contract 1;
 *   2. a minor of the runtime releases the runtime alone, moves no handler's peer range, and runs the handlers that were published before it;
 *   3. a change of one handler releases that handler alone, and it still installs beside the older runtime;
 *   4. a major of the runtime, which would move peer ranges in patches, is refused by scripts/version-packages.ts.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Consumer, createConsumer } from './release-trial/consumer.ts'
import { startRegistry } from './release-trial/registry.ts'
import { expectEqual, step } from './release-trial/shell.ts'
import { type Change, copyWorkspace, type Workspace } from './release-trial/workspace.ts'

const NODE_VERSIONS = ['22.23.3', '24.21.0', '26.10.0'] as const
const RUNTIME = '@mcp-worker/runtime'
const HANDLER = '@mcp-worker/handler-data-cleanup'
const HANDLERS = [HANDLER, '@mcp-worker/handler-model-cache', '@mcp-worker/handler-vector-index']

const repository = fileURLToPath(new URL('..', import.meta.url))
const folder = await mkdtemp(join(tmpdir(), 'release-trial-'))
const registry = await startRegistry(join(folder, 'registry'))
try {
  step('a registry, a copy of HEAD')
  const workspace = await copyWorkspace(repository, join(folder, 'repository'), registry.npmrc)
  const programs = join(workspace.folder, 'scripts/release-trial')
  const consumer = await createConsumer(join(folder, 'consumer'), registry.npmrc, programs)
  await releaseAll(workspace)
  await runEverywhere(consumer)
  await releaseRuntimeMinor(workspace)
  await runHandlersOnNewRuntime(consumer)
  await releaseOneHandler(workspace)
  await installBesideOldRuntime(consumer)
  await refuseRuntimeMajor(workspace)
  step('release trial ok')
} finally {
  await registry.stop()
  await rm(folder, { recursive: true, force: true })
}

/** What waits in .changeset is released with it. */
async function releaseAll(workspace: Workspace): Promise<void> {
  step('first release: version, build, check, pack, publish')
  const { code, said, files } = await workspace.version()
  if (code !== 0) throw new Error(said)
  if (files.length > 0) await workspace.commit('Version packages')
  await workspace.build()
  const published = await workspace.publish(join(folder, 'packs-1'))
  step('bills of materials')
  await workspace.checkMaterials(join(folder, 'sbom'))
  const manifests = Object.values(await workspace.manifests())
  expectEqual('published', published, manifests.map(({ name, version }) => `${name}@${version}`).toSorted())
  for (const { name, version } of manifests)
    expectEqual(`${name} in the registry`, await registry.versions(name), [version])
  const { repository: named } = await registry.manifest(
    RUNTIME,
    (await registry.versions(RUNTIME)).at(-1) ?? '',
  )
  expectEqual('repository', named?.directory, 'packages/runtime')
}

async function runEverywhere(consumer: Consumer): Promise<void> {
  step('an empty npm project installs them')
  await consumer.npm('install', RUNTIME, ...HANDLERS, 'zod@4')
  await consumer.installed()
  for (const version of NODE_VERSIONS) {
    step(await consumer.runOn(version, 'consume.mjs'))
    step(await consumer.runOn(version, 'contract-1-run.mjs'))
  }
}

async function releaseRuntimeMinor(workspace: Workspace): Promise<void> {
  step('a minor of the runtime')
  const published = await release(workspace, 'packs-2', 'runtime', {
    file: 'packages/runtime/src/index.ts',
    from: '/** `@mcp-worker/runtime`',
    to: '/** What a minor adds. */\nexport const ADDED_IN_A_MINOR = true\n\n/** `@mcp-worker/runtime`',
    bump: 'minor',
    package: RUNTIME,
    summary: 'Something new in the runtime.',
  })
  expectEqual('published', published, [`${RUNTIME}@${(await registry.versions(RUNTIME)).at(-1)}`])
}

/** The contract's promise: handlers that were published before run on the runtime under test. */
async function runHandlersOnNewRuntime(consumer: Consumer): Promise<void> {
  const before = await consumer.installed()
  await consumer.npm('update')
  const after = await consumer.installed()
  for (const name of HANDLERS) expectEqual(name, after[name], before[name])
  if (after[RUNTIME] === before[RUNTIME]) throw new Error(`npm update left ${RUNTIME} at ${before[RUNTIME]}`)
  step(
    `${await consumer.runOn(NODE_VERSIONS[1], 'consume.mjs')}: handlers of before on runtime ${after[RUNTIME]}`,
  )
  step(`${await consumer.runOn(NODE_VERSIONS[1], 'contract-1-run.mjs')}: on runtime ${after[RUNTIME]}`)
}

async function releaseOneHandler(workspace: Workspace): Promise<void> {
  step('a change of one handler')
  const published = await release(workspace, 'packs-3', 'handler-data-cleanup', {
    file: 'packages/handler-data-cleanup/src/plugin.ts',
    from: '\nexport default definePlugin(',
    to: '\n// what a patch changes\nexport default definePlugin(',
    bump: 'patch',
    package: HANDLER,
    summary: 'Something mended in the cleanup.',
  })
  const [first = '', last = ''] = await registry.versions(HANDLER)
  expectEqual('published', published, [`${HANDLER}@${last}`])
  const ranges = [first, last].map(
    async (version) => (await registry.manifest(HANDLER, version)).peerDependencies?.[RUNTIME],
  )
  const [before, after] = await Promise.all(ranges)
  if (before === undefined || before.startsWith('workspace:'))
    throw new Error(`${HANDLER} was published with ${before}`)
  expectEqual(`${HANDLER}: its peer range after a minor of the runtime`, after, before)
}

/** Whoever stays on the runtime of the first release still gets the handler's patch. */
async function installBesideOldRuntime(consumer: Consumer): Promise<void> {
  const [oldest = ''] = await registry.versions(RUNTIME)
  await consumer.npm('install', `${RUNTIME}@${oldest}`, `${HANDLER}@latest`)
  const installed = await consumer.installed()
  expectEqual(
    'versions',
    [installed[RUNTIME], installed[HANDLER]],
    [oldest, (await registry.versions(HANDLER)).at(-1)],
  )
  step(
    `${await consumer.runOn(NODE_VERSIONS[1], 'consume.mjs')}: ${HANDLER} ${installed[HANDLER]} on runtime ${oldest}`,
  )
}

async function refuseRuntimeMajor(workspace: Workspace): Promise<void> {
  step('a major of the runtime without majors of the handlers')
  await workspace.change({
    file: 'packages/runtime/src/index.ts',
    from: 'export const ADDED_IN_A_MINOR = true',
    to: 'export const ADDED_IN_A_MINOR = false',
    bump: 'major',
    package: RUNTIME,
    summary: 'Something else in the runtime.',
  })
  const { code, said } = await workspace.version()
  expectEqual('exit code of version-packages', code, 1)
  for (const name of HANDLERS) {
    if (!said.includes(`${name} `)) throw new Error(`expected a fault that names ${name}, got:\n${said}`)
  }
  await workspace.undo()
}

/** Change, gate, version, build, pack, publish. Nothing but that package may get a new version. */
async function release(workspace: Workspace, packs: string, only: string, change: Change): Promise<string[]> {
  await workspace.change(change)
  const { code, said, files } = await workspace.version()
  if (code !== 0) throw new Error(said)
  const touched = files.filter((file) => file.startsWith('packages/'))
  expectEqual('files of the release', touched, [
    `packages/${only}/CHANGELOG.md`,
    `packages/${only}/package.json`,
  ])
  await workspace.commit('Version packages')
  await workspace.build(change.package)
  return workspace.publish(join(folder, packs))
}
