import type { Fault, HostKind, Plugin } from '@mcp-worker/runtime'
import { type LoadedConfig, firstLine, packageEntrySchema, pluginEntrySchema } from './config-file.js'
import type { Environment } from './environment.js'
import { check } from './faults.js'
import { importFrom } from './import-from.js'

/** What a worker without a word about plugins runs. */
export const DEFAULT_PLUGINS: readonly string[] = [
  '@mcp-worker/handler-vector-index',
  '@mcp-worker/handler-model-cache',
  '@mcp-worker/handler-data-cleanup',
]

export interface LoadedPlugins {
  readonly plugins: readonly Plugin[]
  /** Overrides by plugin name. */
  readonly hosts: Readonly<Record<string, HostKind>>
  readonly faults: readonly Fault[]
}

type Read =
  | { readonly plugin: Plugin; readonly host: HostKind | null }
  | { readonly faults: readonly Fault[] }

/** Imports the plugins of the file, else of WORKER_PLUGINS, else the default ones. Never throws: what is wrong is in `faults`. */
export async function loadPlugins(
  loaded: Pick<LoadedConfig, 'config' | 'url'>,
  packages: readonly string[] | null,
  environment: PluginEnvironment,
): Promise<LoadedPlugins> {
  const written = loaded.config.plugins
  if (written !== undefined && written.length > 0 && packages !== null) {
    const message = 'the configuration file lists plugins as well; expected one of the two'
    return { plugins: [], hosts: {}, faults: [{ path: 'WORKER_PLUGINS', message }] }
  }
  const entries = written ?? (packages ?? DEFAULT_PLUGINS).map((name) => ({ package: name }))
  const given = optionsFrom(environment)
  const reads = await Promise.all(
    entries.map((entry, i) =>
      readEntry(entry, `${written ? 'plugins' : 'WORKER_PLUGINS'}[${i}]`, loaded.url, given),
    ),
  )
  const good = reads.flatMap((read) => ('plugin' in read ? [read] : []))
  const overrides = good.flatMap(({ plugin, host }) => (host === null ? [] : [[plugin.name, host] as const]))
  return {
    plugins: good.map((read) => read.plugin),
    hosts: Object.fromEntries(overrides),
    faults: reads.flatMap((read) => ('faults' in read ? read.faults : optionFaults(read.plugin))),
  }
}

/** What plugins that are named by their package take from the environment, where the file does not say otherwise. */
type PluginEnvironment = Pick<Environment, 'OLLAMA_URL' | 'CLEANUP_TEMP_ROOT'>
type GivenOptions = Readonly<Record<string, Readonly<Record<string, unknown>>>>

function optionsFrom({ OLLAMA_URL: url, CLEANUP_TEMP_ROOT: tempRoot }: PluginEnvironment): GivenOptions {
  return {
    '@mcp-worker/handler-model-cache': { ollama: { url } },
    '@mcp-worker/handler-data-cleanup': tempRoot === null ? {} : { tempRoot },
  }
}

async function readEntry(entry: unknown, path: string, url: string, given: GivenOptions): Promise<Read> {
  const refuse = (message: string): Read => ({ faults: [{ path, message }] })
  if (isPlugin(entry)) return { plugin: entry, host: null }
  if (typeof entry === 'string') return importPlugin({ package: entry }, path, url, given)
  if (typeof entry === 'function')
    return refuse('a plugin that was not called; write it with its options: plugin({ … })')
  if (typeof entry !== 'object' || entry === null || Array.isArray(entry))
    return refuse('expected an imported plugin or { package, options, host }')
  const read = check('plugin' in entry ? pluginEntrySchema : packageEntrySchema, entry, path)
  if ('faults' in read) return read
  if ('package' in read.data) return importPlugin(read.data, path, url, given)
  return isPlugin(read.data.plugin)
    ? { plugin: read.data.plugin, host: read.data.host ?? null }
    : refuse(
        '`plugin` is not a plugin: expected what a package made with definePlugin answers when it is called',
      )
}

async function importPlugin(
  entry: { readonly package: string; readonly options?: unknown; readonly host?: HostKind | undefined },
  path: string,
  url: string,
  given: GivenOptions,
): Promise<Read> {
  const refuse = (message: string): Read => ({ faults: [{ path, message }] })
  let made: unknown
  try {
    const factory = (await importFrom(entry.package, url))['default']
    if (typeof factory !== 'function')
      return refuse(`${entry.package} has no plugin as its default export (made with definePlugin)`)
    made = factory(optionsOf(entry, given))
  } catch (error) {
    return refuse(
      `${entry.package} cannot be imported: ${firstLine(error)}; check the name and install it beside the configuration file or this application`,
    )
  }
  if (!isPlugin(made)) return refuse(`the default export of ${entry.package} did not make a plugin`)
  return { plugin: made, host: entry.host ?? null }
}

/** Options that are no object are passed on as they are: the plugin's own schema says what is wrong with them. */
function optionsOf(
  { package: name, options = {} }: { readonly package: string; readonly options?: unknown },
  given: GivenOptions,
): unknown {
  return typeof options === 'object' && options !== null && !Array.isArray(options)
    ? { ...given[name], ...options }
    : options
}

function isPlugin(value: unknown): value is Plugin {
  return typeof value === 'object' && value !== null && 'contract' in value && 'optionsSchema' in value
}

/** Options are checked again by the worker's handshake; here too, so that they are listed beside the other faults. */
function optionFaults(plugin: Plugin): Fault[] {
  try {
    const read = check(plugin.optionsSchema, plugin.givenOptions, `${plugin.name}.options`)
    return 'faults' in read ? [...read.faults] : []
  } catch {
    return [] // an asynchronous schema: the handshake says what to do about it
  }
}
