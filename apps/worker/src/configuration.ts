import { isIP } from 'node:net'
import { dirname, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Fault, HostKind, Plugin } from '@mcp-worker/runtime'
import { WorkerError } from '@mcp-worker/runtime'
import { type ConfigFile, loadConfigFile } from './config-file.js'
import {
  type Environment,
  type RawEnvironment,
  type ReadEnvironment,
  readEnvironment,
} from './environment.js'
import { loadPlugins } from './plugins.js'
import { type Scope, tokenTextSchema } from './scopes.js'

/** A token with what it may do. */
export interface Token {
  readonly name: string
  readonly token: string
  readonly scopes: readonly Scope[]
}

/** Everything that a start depends on, read and checked. */
export interface Configuration {
  readonly environment: Environment
  readonly config: ConfigFile
  readonly tokens: readonly Token[]
  readonly plugins: readonly Plugin[]
  readonly hosts: Readonly<Record<string, HostKind>>
  readonly suspects: ReadEnvironment['suspects']
}

/** Reads environment, file and plugins. Throws `bad_configuration` with the faults of all three at once. */
export async function readConfiguration(raw: RawEnvironment, cwd: string): Promise<Configuration> {
  const { environment, faults, suspects } = readEnvironment(raw)
  const loaded = await loadConfigFile(environment.WORKER_CONFIG, cwd)
  const {
    plugins,
    hosts,
    faults: pluginFaults,
  } = await loadPlugins(loaded, environment.WORKER_PLUGINS, environment)
  const { tokens, faults: tokenFaults } = readTokens(environment, loaded.config, raw)
  const all = [
    ...faults,
    ...loaded.faults,
    ...pluginFaults,
    ...tokenFaults,
    ...crossFaults(environment, tokens),
  ]
  if (all.length > 0) {
    throw new WorkerError('bad_configuration', `${all.length} fault(s) in the configuration`, { faults: all })
  }
  return { environment, config: loaded.config, tokens, plugins, hosts, suspects }
}

function readTokens(
  environment: Environment,
  config: ConfigFile,
  raw: RawEnvironment,
): { readonly tokens: readonly Token[]; readonly faults: readonly Fault[] } {
  const tokens: Token[] = []
  const faults: Fault[] = []
  if (environment.API_TOKEN !== null) {
    tokens.push({ name: 'api_token', token: environment.API_TOKEN, scopes: ['admin'] })
  }
  config.tokens.forEach((entry, i) => {
    const token = entry.token ?? raw[entry.tokenEnv ?? '']
    const refuse = (message: string) => faults.push({ path: `tokens[${i}]`, message })
    if (token === undefined || !tokenTextSchema.safeParse(token).success)
      refuse(
        `expected 16 to 512 visible ASCII characters, no spaces, in the variable ${entry.tokenEnv ?? ''}`,
      )
    else if (tokens.some((one) => one.name === entry.name))
      refuse(`the name ${entry.name} is taken by another token`)
    else if (tokens.some((one) => one.token === token)) refuse('another entry has the same token')
    else tokens.push({ name: entry.name, token, scopes: entry.scopes })
  })
  return { tokens, faults }
}

/** Faults that only show when several settings are seen together. */
function crossFaults(environment: Environment, tokens: readonly Token[]): Fault[] {
  const { API_HOST, API_PORT, METRICS_HOST, METRICS_PORT, QUEUE_URL, WORKER_ROLE } = environment
  const faults: Fault[] = []
  const hasApi = WORKER_ROLE !== 'worker'
  if (hasApi && !isLoopback(API_HOST) && tokens.length === 0) {
    const message = `${API_HOST} can be reached from other machines: expected API_TOKEN (at least 16 characters), or tokens in the configuration file`
    faults.push({ path: 'API_HOST', message })
  }
  if (hasApi && API_PORT === METRICS_PORT && API_PORT !== 0 && API_HOST === METRICS_HOST) {
    faults.push({
      path: 'METRICS_PORT',
      message: `expected another port than API_PORT, which is ${API_PORT}`,
    })
  }
  if (QUEUE_URL === 'memory' && WORKER_ROLE !== 'all') {
    const message = `memory: cannot be shared, so that WORKER_ROLE ${WORKER_ROLE} would be alone with it; expected WORKER_ROLE all`
    faults.push({ path: 'QUEUE_URL', message })
  }
  return faults
}

export function isLoopback(host: string): boolean {
  const bare = host.replace(/^\[|\]$/g, '').toLowerCase()
  if (isIP(bare) === 4) return bare.startsWith('127.')
  return bare === '::1' || bare === 'localhost'
}

/** The files and folders whose change calls for a restart: the configuration file, and the folders of plugin modules. */
export function watchedPaths({ environment, plugins }: Configuration, cwd: string): string[] {
  const config = environment.WORKER_CONFIG === null ? [] : [resolve(cwd, environment.WORKER_CONFIG)]
  const modules = plugins.flatMap(({ module }) =>
    module.startsWith('file:') ? [dirname(fileURLToPath(module))] : [],
  )
  return [...new Set([...config, ...modules])]
}
