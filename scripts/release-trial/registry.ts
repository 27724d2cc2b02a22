import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { run } from './shell.ts'
import { freePort } from '../../packages/test-servers/src/server.ts'

const VERDACCIO = '6.10.4'
/** It depends on the tag `node-fetch@cjs`, which a registry that keeps only `latest` lacks. */
const OVERRIDES = { 'node-fetch': '2.7.0' }

interface Manifest {
  readonly name: string
  readonly version: string
  readonly peerDependencies?: Readonly<Record<string, string>>
  readonly repository?: { readonly url: string; readonly directory: string }
}

export interface Registry {
  /** Lines of an .npmrc: only the scope @mcp-worker is looked up here, everything else stays where it was. */
  readonly npmrc: string
  /** Versions of a package, oldest first; none where it was never published. */
  versions(name: string): Promise<string[]>
  manifest(name: string, version: string): Promise<Manifest>
  stop(): Promise<void>
}

/** A verdaccio of its own on a free port of loopback; what it stores lies in the folder. Its program is kept in the user's cache. */
export async function startRegistry(folder: string): Promise<Registry> {
  const program = await installVerdaccio()
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  await mkdir(folder, { recursive: true })
  await writeFile(join(folder, 'config.yaml'), configuration(folder))
  const args = [program, '--config', join(folder, 'config.yaml'), '--listen', `127.0.0.1:${port}`]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'ignore'] })
  await untilAnswers(url, child)
  const document = async (name: string) => {
    const response = await fetch(`${url}/${name.replace('/', '%2f')}`)
    if (response.status === 404) return { versions: {} }
    return (await response.json()) as { readonly versions: Readonly<Record<string, Manifest>> }
  }
  return {
    npmrc: `@mcp-worker:registry=${url}/\n//127.0.0.1:${port}/:_authToken=nobody\n`,
    versions: async (name) => Object.keys((await document(name)).versions),
    async manifest(name, version) {
      const found = (await document(name)).versions[version]
      if (found === undefined) throw new Error(`${name}@${version} is not in the registry`)
      return found
    },
    async stop() {
      if (child.exitCode !== null) return
      child.kill('SIGTERM')
      await once(child, 'exit')
    },
  }
}

async function installVerdaccio(): Promise<string> {
  const cache = process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache')
  const folder = join(cache, 'mcp-worker-release-trial', `verdaccio-${VERDACCIO}`)
  const program = join(folder, 'node_modules/verdaccio/bin/verdaccio')
  // written last, so that an installation that was cut off is done again
  const complete = join(folder, 'complete')
  if (existsSync(complete)) return program
  await mkdir(folder, { recursive: true })
  await writeFile(join(folder, 'package.json'), JSON.stringify({ private: true, overrides: OVERRIDES }))
  const options = ['--silent', '--no-audit', '--no-fund', '--ignore-scripts']
  await run(['npm', 'install', ...options, `verdaccio@${VERDACCIO}`], { cwd: folder })
  await writeFile(complete, '')
  return program
}

/** Anyone may publish: it listens on loopback only and is gone with the trial. No uplink: nothing is fetched through it. */
function configuration(folder: string): string {
  return `
storage: ${join(folder, 'storage')}
auth: { htpasswd: { file: ${join(folder, 'htpasswd')}, max_users: -1 } }
uplinks: {}
packages: { '@mcp-worker/*': { access: $all, publish: $all } }
web: { enable: false }
log: { type: file, path: ${join(folder, 'log')}, format: json, level: warn }
`
}

async function untilAnswers(url: string, child: ChildProcess): Promise<void> {
  for (let tries = 0; tries < 600 && child.exitCode === null; tries++) {
    const answered = await fetch(`${url}/-/ping`).then(
      (response) => response.ok,
      () => false,
    )
    if (answered) return
    await wait(100)
  }
  child.kill('SIGKILL')
  throw new Error(`the registry does not answer; it ended with ${child.exitCode}`)
}

/** The user's own .npmrc with these lines added, for programs that are started in folders of their own. */
export async function npmrcWith(lines: string, path: string): Promise<void> {
  const own = await readFile(process.env['npm_config_userconfig'] ?? join(homedir(), '.npmrc'), 'utf8').catch(
    () => '',
  )
  await writeFile(path, `${own}\n${lines}`, { mode: 0o600 })
}
