import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { median, round } from '../queue/machine.ts'
import { versionOf } from '../queue/version.ts'
import { expectEmpty, makeFiles } from './files.ts'
import type { DeletionResult, LargeFolderPlace, LargeFolderResult } from './parts.ts'

export interface Place {
  readonly folder: string
  readonly fileSystem: string
}

interface Deletion {
  readonly seconds: number
  readonly maxRssMb: number | null
  readonly lagP99Ms: number | null
}

interface Engine {
  readonly name: string
  readonly version: () => string
  readonly run: (root: string) => Deletion
}

const CHILD = fileURLToPath(new URL('./child.ts', import.meta.url))

interface Answer {
  readonly seconds: number
  readonly maxRssMb: number
  readonly idleRssMb: number
  readonly lagP99Ms: number
  readonly deleted: number
}

function inNode(
  engine: 'engine' | 'inline' | 'thread' | 'rimraf',
  root: string,
  flags: readonly string[] = [],
): Answer {
  const cache = mkdtempSync(join(tmpdir(), 'mcp-worker-cleanup-code-'))
  const env = { ...process.env, NODE_COMPILE_CACHE: cache }
  const run = (folder: string) =>
    JSON.parse(
      execFileSync(process.execPath, [...flags, CHILD, engine, folder], { encoding: 'utf8', env }),
    ) as Answer
  try {
    // a run on nothing first: with its code in the cache a process needs no compiler of TypeScript, which is 18 MiB
    const none = join(cache, 'none')
    mkdirSync(none)
    run(none)
    return run(root)
  } finally {
    rmSync(cache, { recursive: true, force: true })
  }
}

function byCommand(command: string, options: readonly string[]): Deletion {
  const from = performance.now()
  const { status, stderr } = spawnSync(command, options, { encoding: 'utf8' })
  const seconds = (performance.now() - from) / 1000
  if (status !== 0) throw new Error(`${command} ended with ${status}: ${stderr}`)
  return { seconds, maxRssMb: null, lagP99Ms: null }
}

const firstLine = (command: string) =>
  execFileSync(command, ['--version'], { encoding: 'utf8' }).split('\n')[0]?.trim() ?? '?'

const ENGINES: readonly Engine[] = [
  {
    name: 'mcp-worker (inline)',
    version: () => versionOf('@mcp-worker/handler-data-cleanup'),
    run: (root) => inNode('inline', root),
  },
  {
    name: 'mcp-worker',
    version: () => versionOf('@mcp-worker/handler-data-cleanup'),
    run: (root) => inNode('thread', root),
  },
  {
    name: 'find -delete',
    version: () => firstLine('find'),
    run: (root) => byCommand('find', [root, '-mindepth', '1', '-mmin', '+60', '-delete']),
  },
  {
    name: 'systemd-tmpfiles --clean',
    version: () => firstLine('systemd-tmpfiles'),
    run: cleanByTmpfiles,
  },
  { name: 'rimraf', version: () => versionOf('rimraf'), run: (root) => inNode('rimraf', root) },
]

/** `mM`: the age by mtime of files and folders, as for the others. */
function cleanByTmpfiles(root: string): Deletion {
  const rule = `${root}.conf`
  writeFileSync(rule, `d ${root} - - - mM:1h\n`)
  try {
    return byCommand('systemd-tmpfiles', ['--clean', rule])
  } finally {
    rmSync(rule)
  }
}

/** Round by round, so that a slow minute of the disk meets all of them. */
export function measureDeletions(
  { folder, fileSystem }: Place,
  { files, rounds }: { readonly files: number; readonly rounds: number },
): readonly DeletionResult[] {
  const root = join(folder, 'files')
  const seen = new Map(ENGINES.map((engine) => [engine, [] as Deletion[]]))
  for (let n = 0; n < rounds; n++) {
    for (const engine of ENGINES) {
      makeFiles(root, files, 1_000)
      const deletion = engine.run(root)
      expectEmpty(root, engine.name)
      seen.get(engine)?.push(deletion)
      console.log(`${fileSystem} ${engine.name}: ${deletion.seconds.toFixed(2)} s`)
    }
  }
  return [...seen].map(([{ name, version }, deletions]) =>
    resultOf({ name, version: version(), fileSystem }, deletions),
  )
}

function resultOf(
  head: Pick<DeletionResult, 'name' | 'version' | 'fileSystem'>,
  deletions: readonly Deletion[],
): DeletionResult {
  const seconds = deletions.map((each) => round(each.seconds, 3))
  return {
    ...head,
    seconds,
    medianSeconds: median(seconds),
    maxRssMb: largest(deletions.map(({ maxRssMb }) => maxRssMb)),
    loopLagP99Ms: largest(deletions.map(({ lagP99Ms }) => lagP99Ms)),
  }
}

function largest(values: readonly (number | null)[]): number | null {
  return values.every((value) => value === null) ? null : round(Math.max(...values.map(Number)), 1)
}

const LARGE = {
  worker: { engine: 'thread', flags: [] },
  'plugin alone': { engine: 'engine', flags: ['--max-semi-space-size=8'] },
} as const satisfies Record<LargeFolderPlace, object>

/** All in one folder. */
export function measureLargeFolder(
  { folder, fileSystem }: Place,
  where: LargeFolderPlace,
  files: number,
): LargeFolderResult {
  const root = join(folder, 'large')
  makeFiles(root, files, files)
  const { engine, flags } = LARGE[where]
  const { seconds, maxRssMb, idleRssMb, lagP99Ms, deleted } = inNode(engine, root, flags)
  expectEmpty(root, 'mcp-worker')
  if (deleted !== files) throw new Error(`expected ${files} deleted, got ${deleted}`)
  rmSync(root, { recursive: true, force: true })
  console.log(
    `${fileSystem} ${files} files in one folder, ${where}: ${seconds.toFixed(1)} s, ${idleRssMb} → ${maxRssMb} MiB`,
  )
  const loopLagP99Ms = round(lagP99Ms, 1)
  return { fileSystem, where, files, seconds: round(seconds, 1), maxRssMb, idleRssMb, loopLagP99Ms }
}
