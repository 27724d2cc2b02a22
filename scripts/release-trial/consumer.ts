import { copyFile, mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { read, run } from './shell.ts'

export interface Consumer {
  /** npm install or npm update with these arguments. */
  npm(...args: string[]): Promise<string>
  /** Versions of the packages of the scope, by name; one copy of each, or it throws. */
  installed(): Promise<Readonly<Record<string, string>>>
  /** Runs one of the programs on this version of Node.js, which comes from the npm registry. Answers what it prints. */
  runOn(version: string, program: 'consume.mjs' | 'contract-1-run.mjs'): Promise<string>
}

/** An empty npm project that looks up the scope in the registry; beside its package.json lie the programs of that folder. */
export async function createConsumer(folder: string, npmrc: string, programs: string): Promise<Consumer> {
  await mkdir(folder, { recursive: true })
  await writeFile(join(folder, 'package.json'), JSON.stringify({ private: true, type: 'module' }))
  await writeFile(join(folder, '.npmrc'), `${npmrc}audit=false\nfund=false\nupdate-notifier=false\n`)
  for (const name of await readdir(programs)) {
    if (name.endsWith('.mjs')) await copyFile(join(programs, name), join(folder, name))
  }
  const env = { ...process.env, NODE_NO_WARNINGS: '1' }
  const platform = `node-${process.platform}-${process.arch}`
  return {
    npm: (...args) => run(['npm', ...args], { cwd: folder }),
    async installed() {
      const tree = JSON.parse(await read(['npm', 'ls', '--all', '--json'], { cwd: folder })) as Tree
      return flatten(tree)
    },
    async runOn(version, program) {
      const said = await read(['npx', '-y', '-p', `${platform}@${version}`, 'node', program], {
        cwd: folder,
        env,
      })
      return said.trim()
    },
  }
}

interface Tree {
  readonly version?: string
  readonly dependencies?: Readonly<Record<string, Tree>>
}

function flatten(tree: Tree, found: Record<string, string> = {}): Record<string, string> {
  for (const [name, { version, ...inner }] of Object.entries(tree.dependencies ?? {})) {
    if (name.startsWith('@mcp-worker/') && version !== undefined) {
      if (found[name] !== undefined && found[name] !== version)
        throw new Error(`two copies of ${name}: ${found[name]} and ${version}`)
      found[name] = version
    }
    flatten(inner, found)
  }
  return found
}
