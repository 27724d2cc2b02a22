import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { stripTypeScriptTypes } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A change of the built runtime's text, for the mutants. */
export interface Patch {
  /** Below `dist`. */
  readonly file: string
  readonly find: string
  readonly replace: string
}

/**
 * A place of its own for the programs under test: a copy of the built runtime, so that a build or a mutant never touches a run under way, and the
 * programs beside it as plain JavaScript (a worker is started thousands of times, and stripping types takes a fifth of a start).
 */
export interface Lab {
  readonly dir: string
  readonly versions: Readonly<Record<string, string>>
  program(name: 'worker-program' | 'crash-hook'): string
  /** A new empty folder. */
  folder(name: string): string
  dispose(): void
}

const PROGRAMS = [
  'worker-program',
  'crash-hook',
  'ledger',
  'ledger-plugin',
  'load',
  'monotonic',
  'random',
  'work',
  'spin-plugin',
  'inline-spin-plugin',
  'misdeeds',
  'misdeed-plugin',
  'inline-misdeed-plugin',
]
const HERE = import.meta.dirname
const RUNTIME = join(HERE, '../packages/runtime')

export interface LabOptions {
  /** The built runtime. Default: packages/runtime/dist. */
  readonly dist?: string
  readonly patches?: readonly Patch[]
}

export function createLab({ dist = join(RUNTIME, 'dist'), patches = [] }: LabOptions = {}): Lab {
  if (!existsSync(join(dist, 'index.js')))
    throw new Error(`there is no built runtime in ${dist}: run \`pnpm build\` first`)
  const dir = mkdtempSync(join(realpathSync(tmpdir()), 'mcp-worker-reliability-'))
  try {
    copyRuntime(dist, join(dir, 'runtime'))
    for (const patch of patches) applyPatch(join(dir, 'runtime/dist'), patch)
    copyPrograms(join(dir, 'programs'))
  } catch (error) {
    rmSync(dir, { recursive: true, force: true })
    throw error
  }
  let folders = 0
  return {
    dir,
    versions: versionsOf(join(dir, 'runtime')),
    program: (name) => join(dir, 'programs', `${name}.js`),
    folder(name) {
      const folder = join(dir, `${name}-${++folders}`)
      mkdirSync(folder)
      return folder
    },
    dispose: () => rmSync(dir, { recursive: true, force: true }),
  }
}

function copyRuntime(dist: string, to: string): void {
  cpSync(dist, join(to, 'dist'), { recursive: true, filter: (file) => !/\.(map|d\.ts)$/.test(file) })
  cpSync(join(RUNTIME, 'package.json'), join(to, 'package.json'))
  symlinkSync(join(RUNTIME, 'node_modules'), join(to, 'node_modules'))
}

function copyPrograms(to: string): void {
  mkdirSync(join(to, 'node_modules/@mcp-worker'), { recursive: true })
  writeFileSync(join(to, 'package.json'), '{"type":"module"}')
  symlinkSync(join(to, '../runtime'), join(to, 'node_modules/@mcp-worker/runtime'))
  symlinkSync(realpathSync(join(HERE, 'node_modules/zod')), join(to, 'node_modules/zod'))
  for (const name of PROGRAMS) {
    const text = stripTypeScriptTypes(readFileSync(join(HERE, `${name}.ts`), 'utf8'))
    writeFileSync(
      join(to, `${name}.js`),
      text.replaceAll(/((?:from |import\()['`]\.\/[^'`]+)\.ts(['`])/g, '$1.js$2'),
    )
  }
}

function applyPatch(dist: string, { file, find, replace }: Patch): void {
  const text = readFileSync(join(dist, file), 'utf8')
  const places = text.split(find).length - 1
  if (places !== 1)
    throw new Error(`the mutant's pattern was found ${places} times in ${file}, expected once: ${find}`)
  writeFileSync(
    join(dist, file),
    text.replace(find, () => replace),
  )
}

function versionsOf(runtime: string): Record<string, string> {
  const { version } = JSON.parse(readFileSync(join(runtime, 'package.json'), 'utf8')) as { version: string }
  const hash = createHash('sha256')
  const files = readdirSync(join(runtime, 'dist'), { recursive: true, encoding: 'utf8' }).filter((file) =>
    file.endsWith('.js'),
  )
  for (const file of files.toSorted()) hash.update(file).update(readFileSync(join(runtime, 'dist', file)))
  return {
    runtime: version,
    dist: hash.digest('hex').slice(0, 12),
    commit: commit(),
    node: process.versions.node,
    sqlite: process.versions['sqlite'] ?? 'unknown',
  }
}

function commit(): string {
  try {
    return execFileSync('git', ['rev-parse', '--short', 'HEAD'], { cwd: HERE, encoding: 'utf8' }).trim()
  } catch {
    return 'unknown'
  }
}
