import type { Fault } from './errors.js'
import { describeFaults, KEEP_INPUT } from './faults.js'
import { checkHandler, checkQuery } from './handshake-handler.js'
import { kindOf } from './kind-of.js'
import { parseDuration } from './duration.js'
import type { Duration, HostKind, Plugin } from './plugin.js'

const HOSTS: ReadonlySet<unknown> = new Set<HostKind>(['inline', 'thread'])

/** Adds what is wrong with one plugin by itself to the faults; answers its checked options (undefined where they are faulty). */
export function checkPlugin(plugin: Plugin, host: HostKind, faults: Fault[]): unknown {
  const fault = (member: string, message: string) => {
    faults.push({ path: member === '' ? plugin.name : `${plugin.name}.${member}`, message })
  }
  if (plugin.name === '') fault('name', 'expected the npm name of the package, got an empty text')
  if (typeof plugin.version !== 'string' || plugin.version === '')
    fault('version', 'expected the version of the package: set `version`')
  if (!HOSTS.has(host)) fault('host', `expected inline or thread, got ${shown(host)}: choose one of them`)
  if (!isLimit(plugin.setupTimeout))
    fault(
      'setupTimeout',
      `expected a duration above zero such as "30s" or "5m", got ${shown(plugin.setupTimeout)}`,
    )
  const options = checkOptions(plugin, faults)
  if (host === 'thread') checkThread(plugin, options, fault)
  for (const handler of plugin.handlers) checkHandler(handler, plugin.name, faults)
  for (const query of plugin.queries) checkQuery(query, plugin.name, faults)
  return options
}

function shown(given: unknown): string {
  return typeof given === 'string' ? given.slice(0, 40) : kindOf(given)
}

function isLimit(duration: Duration): boolean {
  try {
    return parseDuration(duration) > 0
  } catch {
    return false
  }
}

function checkOptions(plugin: Plugin, faults: Fault[]): unknown {
  const path = `${plugin.name}.options`
  try {
    const checked = plugin.optionsSchema.safeParse(plugin.givenOptions, KEEP_INPUT)
    if (checked.success) return checked.data
    faults.push(...describeFaults(checked.error, path))
  } catch (error) {
    const message = error instanceof Error ? error.message : kindOf(error)
    faults.push({
      path,
      message: `the schema of the options cannot be used: ${message}; it must be synchronous and not throw`,
    })
  }
  return undefined
}

/** What a thread needs beyond an inline host: a module to import, options that can be cloned. */
function checkThread(
  plugin: Plugin,
  options: unknown,
  fault: (member: string, message: string) => void,
): void {
  if (!isImportable(plugin.module))
    fault(
      'module',
      'a thread imports it, so that a file: URL is expected: set `module: import.meta.url`, or host it inline',
    )
  if (!Number.isSafeInteger(plugin.threadMemoryMb) || plugin.threadMemoryMb < 16)
    fault('threadMemoryMb', `expected whole MiB, at least 16, got ${String(plugin.threadMemoryMb)}`)
  const remedy = 'pass plain data (no functions, no class instances), or host it inline'
  const given = uncloneable(plugin.givenOptions)
  const checked = given ?? uncloneable(options)
  if (checked !== null) fault('options', `they cannot cross to a thread (${checked}): ${remedy}`)
}

function isImportable(module: unknown): boolean {
  return typeof module === 'string' && URL.canParse(module) && /^(?:file|data):/.test(module)
}

/** What the clone says of a value that cannot cross a port; null: it can. */
function uncloneable(value: unknown): string | null {
  try {
    structuredClone(value)
    return null
  } catch (error) {
    return error instanceof Error
      ? (error.message.split('\n')[0] ?? error.name).slice(0, 120)
      : 'not cloneable'
  }
}
