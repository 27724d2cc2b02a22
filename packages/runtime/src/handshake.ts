import { WorkerError, type Fault } from './errors.js'
import { checkPlugin } from './handshake-plugin.js'
import { kindOf } from './kind-of.js'
import { nearestName } from './nearest-name.js'
import { PLUGIN_CONTRACT, type HostKind, type Plugin } from './plugin.js'
import { isSchema } from './payload-versions.js'
import { taskStore } from './task-store.js'

/** A plugin that the worker can set up. */
export interface CheckedPlugin {
  readonly plugin: Plugin
  /** The operator's word, else the plugin's own. */
  readonly host: HostKind
  /** What the plugin's options schema made of the given options. */
  readonly options: unknown
}

export interface Handshake {
  /** In the order of setup: a provider of a service comes before those that use it, else as given. */
  readonly plugins: readonly CheckedPlugin[]
}

/**
 * Looks at everything that can be known before anything is set up. Throws `handshake_failed` with all problems in `faults` at once, each
 * with its place (`@acme/x.options.bucket`) and its remedy.
 */
export function handshake(
  given: readonly unknown[],
  overrides: { readonly hosts?: Readonly<Record<string, HostKind>> } = {},
): Handshake {
  const faults: Fault[] = []
  const hosts = overrides.hosts ?? {}
  const plugins = given.filter((one, index): one is Plugin => {
    const fault = notPlugin(one, index)
    if (fault !== null) faults.push(fault)
    return fault === null
  })
  checkHosts(plugins, hosts, faults)
  const checked = plugins.map((plugin) => {
    const host = hosts[plugin.name] ?? plugin.host
    return { plugin, host, options: checkPlugin(plugin, host, faults) }
  })
  checkUnique(plugins, faults)
  const providers = providersOf(plugins, faults)
  checkUses(plugins, providers, faults)
  const order = setupOrder(plugins, providers, faults)
  if (faults.length > 0) throw handshakeFailed(faults)
  return { plugins: checked.toSorted((a, b) => order.indexOf(a.plugin) - order.indexOf(b.plugin)) }
}

function handshakeFailed(faults: readonly Fault[]): WorkerError {
  const count = faults.length === 1 ? 'one problem' : `${faults.length} problems`
  return new WorkerError('handshake_failed', `the plugins cannot be started: ${count}`, { faults })
}

function notPlugin(given: unknown, index: number): Fault | null {
  const path = `plugins[${index}]`
  if (typeof given === 'function') {
    return {
      path,
      message: 'expected a plugin, got a function: call it with its options, `thumbnail({ bucket: "x" })`',
    }
  }
  if (typeof given !== 'object' || given === null) {
    return { path, message: `expected a plugin, got ${kindOf(given)}: pass what a plugin's factory answers` }
  }
  if ('default' in given && !('contract' in given)) {
    return { path, message: 'expected a plugin, got a module: import its default export and call it' }
  }
  const { name, contract } = given as { readonly name?: unknown; readonly contract?: unknown }
  const who = typeof name === 'string' ? name : path
  if (typeof contract === 'number' && contract !== PLUGIN_CONTRACT) {
    const remedy = contract > PLUGIN_CONTRACT ? 'upgrade @mcp-worker/runtime' : `upgrade ${who}`
    return {
      path: who,
      message: `expected contract ${PLUGIN_CONTRACT}, got contract ${contract}: ${remedy}, so that both speak the same`,
    }
  }
  if (isPlugin(given)) return null
  return {
    path: who,
    message: 'expected a plugin, got an object of another shape: make it with definePlugin',
  }
}

function isPlugin(given: object): given is Plugin {
  const plugin = given as Partial<Record<keyof Plugin, unknown>>
  return (
    plugin.contract === PLUGIN_CONTRACT &&
    typeof plugin.name === 'string' &&
    typeof plugin.setup === 'function' &&
    typeof plugin.uses === 'object' &&
    plugin.uses !== null &&
    isSchema(plugin.optionsSchema) &&
    [plugin.handlers, plugin.queries, plugin.provides].every(Array.isArray)
  )
}

function checkHosts(
  plugins: readonly Plugin[],
  hosts: Readonly<Record<string, unknown>>,
  faults: Fault[],
): void {
  const known = plugins.map(({ name }) => name)
  for (const name of Object.keys(hosts)) {
    if (known.includes(name)) continue
    const nearest = nearestName(name, known)
    const hint = nearest === null ? `known are ${known.join(', ') || 'none'}` : `did you mean ${nearest}?`
    faults.push({ path: `hosts.${name}`, message: `no plugin has this name: ${hint}` })
  }
}

// ── what must be one of a kind ────────────────────────────────────────────────────────────────────────────────────────

function checkUnique(plugins: readonly Plugin[], faults: Fault[]): void {
  const claims = plugins.flatMap((plugin, index) => [
    { kind: 'name', value: plugin.name, owner: `plugins[${index}]`, path: `plugins[${index}]` },
    ...plugin.handlers.map(({ type }) => claim('type', type, plugin, 'handlers')),
    ...plugin.queries.map(({ name }) => claim('query', name, plugin, 'queries')),
  ])
  const first = new Map<string, string>()
  for (const { kind, value, owner, path } of claims) {
    const before = first.get(`${kind} ${value}`)
    if (before === undefined) first.set(`${kind} ${value}`, owner)
    else
      faults.push({
        path,
        message: `the ${kind} ${value} is taken by ${before} already: remove or rename one`,
      })
  }
}

function claim(kind: string, value: string, plugin: Plugin, member: string) {
  return { kind, value, owner: plugin.name, path: `${plugin.name}.${member}.${value}` }
}

// ── services ──────────────────────────────────────────────────────────────────────────────────────────────────────────

type Providers = ReadonlyMap<string, Plugin>

/** Services that the worker itself provides. */
const BUILT_IN: ReadonlySet<string> = new Set([taskStore.service])

function providersOf(plugins: readonly Plugin[], faults: Fault[]): Providers {
  const providers = new Map<string, Plugin>()
  for (const plugin of plugins) {
    for (const { token } of plugin.provides) {
      const before = BUILT_IN.has(token.service) ? { name: 'the runtime' } : providers.get(token.service)
      if (before === undefined) providers.set(token.service, plugin)
      else {
        const message = `the service is provided by ${before.name} already: leave out one of the two, or rename it`
        faults.push({ path: `${plugin.name}.provides.${token.service}`, message })
      }
    }
  }
  return providers
}

function checkUses(plugins: readonly Plugin[], providers: Providers, faults: Fault[]): void {
  for (const plugin of plugins) {
    for (const [key, token] of Object.entries(plugin.uses)) {
      if (token.isOptional || providers.has(token.service) || BUILT_IN.has(token.service)) continue
      const nearest = nearestName(token.service, [...providers.keys(), ...BUILT_IN])
      const hint = nearest === null ? 'add a plugin that provides it' : `did it mean ${nearest}?`
      const message = `nobody provides the service ${token.service}: ${hint}`
      faults.push({ path: `${plugin.name}.uses.${key}`, message })
    }
  }
}

/** Depth first, in the given order. A cycle is a fault, named once. */
function setupOrder(plugins: readonly Plugin[], providers: Providers, faults: Fault[]): readonly Plugin[] {
  const order: Plugin[] = []
  const path: Plugin[] = []
  const visit = (plugin: Plugin): void => {
    if (order.includes(plugin)) return
    if (path.includes(plugin)) {
      faults.push(cycle([...path.slice(path.indexOf(plugin)), plugin]))
      return
    }
    path.push(plugin)
    for (const { service } of Object.values(plugin.uses)) {
      const provider = providers.get(service)
      if (provider !== undefined) visit(provider)
    }
    path.pop()
    order.push(plugin)
  }
  plugins.forEach(visit)
  return order
}

function cycle(plugins: readonly Plugin[]): Fault {
  const names = plugins.map(({ name }) => name)
  const message = `services in a circle, so that none can be set up first: ${names.join(' → ')}; take one use out`
  return { path: `${names[0]}.uses`, message }
}
