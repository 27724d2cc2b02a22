import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { DEFAULT_LIMITS, DEFAULT_RETENTION, type Fault, type Plugin } from '@mcp-worker/runtime'
import { z } from 'zod'
import { durationSchema } from './durations.js'
import { check } from './faults.js'
import { importFrom } from './import-from.js'
import { schedulesSchema } from './schedules.js'
import { scopeSchema, tokenTextSchema } from './scopes.js'

const OWN_FOLDER = new URL('.', import.meta.url).href
const DAY_MS = 86_400_000
const longTime = durationSchema({ minMs: 1_000, maxMs: 3_650 * DAY_MS })
const hostSchema = z.enum(['inline', 'thread'], { error: 'expected inline or thread' })

export const packageEntrySchema = z.strictObject({
  package: z.string().min(1).describe('An npm package whose default export is a plugin'),
  options: z.unknown().optional().describe("The plugin's options; its own schema checks them"),
  host: hostSchema.optional().describe('Where it lives; default: what the plugin says'),
})

export const pluginEntrySchema = z.strictObject({
  plugin: z.unknown().describe('An imported plugin, called with its options'),
  host: hostSchema.optional(),
})

const tokenSchema = z
  .strictObject({
    name: z
      .string()
      .regex(/^[A-Za-z0-9][\w.-]{0,63}$/, { error: 'expected a name of letters, digits, ".", "_", "-"' })
      .describe('Who holds it; the scope of idempotency keys'),
    token: tokenTextSchema.optional(),
    tokenEnv: z.string().optional().describe('The environment variable that holds it, in place of `token`'),
    scopes: z.array(scopeSchema).min(1, { error: 'expected at least one scope' }),
  })
  .refine((entry) => (entry.token === undefined) !== (entry.tokenEnv === undefined), {
    error: 'expected exactly one of token and tokenEnv',
  })

const retentionSchema = (defaults: { readonly maxAgeMs: number; readonly maxCount: number }) =>
  z
    .strictObject({
      maxAge: longTime.default(defaults.maxAgeMs),
      maxCount: z.int().min(0).max(100_000_000).default(defaults.maxCount),
    })
    .prefault({})

export const configSchema = z.strictObject({
  plugins: z
    .array(z.unknown())
    .optional()
    .describe('Imported plugins, `{ plugin, host }`, or `{ package, options, host }`'),
  tokens: z.array(tokenSchema).default([]).describe('Tokens of the API with their scopes, beside API_TOKEN'),
  schedules: schedulesSchema,
  durability: z
    .enum(['power', 'process'], { error: 'expected power or process' })
    .default('power')
    .describe('What an accepted task of the embedded queue survives: a power cut, or only a killed process'),
  limits: z
    .strictObject({
      lease: durationSchema({ minMs: 3_000, maxMs: 3_600_000 }).default(DEFAULT_LIMITS.leaseMs),
      maxCrashes: z.int().min(1).max(1_000).default(DEFAULT_LIMITS.maxCrashes),
      maxWaiting: z.int().min(1).max(100_000_000).default(DEFAULT_LIMITS.maxWaiting),
      idempotencyTtl: longTime.default(DEFAULT_LIMITS.idempotencyTtlMs),
    })
    .prefault({})
    .describe('Limits of the queue'),
  retention: z
    .strictObject({
      succeeded: retentionSchema(DEFAULT_RETENTION.succeeded),
      failed: retentionSchema(DEFAULT_RETENTION.failed),
    })
    .prefault({})
    .describe('How long and how many final tasks are kept'),
  abortGrace: durationSchema({ minMs: 0, maxMs: 600_000 })
    .default(5_000)
    .describe('From the abort signal to the kill, for hosts that acknowledged it'),
  serviceChecks: z
    .array(
      z.strictObject({
        name: z.string().regex(/^[a-z][a-z0-9_.-]{0,63}$/, { error: 'expected a lower-case name' }),
        url: z.string().regex(/^(tcp|https?):\/\/./, { error: 'expected tcp://host:port or http(s)://…' }),
      }),
    )
    .default([])
    .describe('Services that health_check asks'),
})

/** What the file says, defaults filled in, durations in milliseconds; its plugins as they were written. */
export type ConfigFile = z.output<typeof configSchema>

/** An entry of `plugins`. */
export type PluginEntry =
  | Plugin
  | z.input<typeof packageEntrySchema>
  | { plugin: Plugin; host?: Plugin['host'] }

/** What `worker.config.ts` exports by default. Durations are seconds, or texts like `"30s"`, `"24h"`. */
export type WorkerConfig = Omit<z.input<typeof configSchema>, 'plugins'> & {
  readonly plugins?: readonly PluginEntry[]
}

/** Types the default export of `worker.config.ts`; it answers its argument. Everything is checked at start, all faults at once. */
export function defineConfig(config: WorkerConfig): WorkerConfig {
  return config
}

export interface LoadedConfig {
  readonly config: ConfigFile
  readonly faults: readonly Fault[]
  /** Where bare imports of its plugins are looked up first. */
  readonly url: string
}

/** Loads and checks the file; without one everything has its default. Never throws: what is wrong is in `faults`. */
export async function loadConfigFile(path: string | null, cwd: string): Promise<LoadedConfig> {
  const defaults = configSchema.parse({})
  if (path === null) return { config: defaults, faults: [], url: pathToFileURL(resolve(cwd, 'none.js')).href }
  const file = resolve(cwd, path)
  const url = pathToFileURL(file).href
  const broken = (faults: readonly Fault[], plugins: readonly unknown[] = []) => ({
    config: { ...defaults, plugins: [...plugins] },
    faults,
    url,
  })
  const fault = (message: string) => broken([{ path: 'WORKER_CONFIG', message }])
  if (!/\.(?:[mc]?[jt]s|json)$/.test(path))
    return fault(`expected a .ts, .js or .json file; ${path} was given`)
  let given: unknown
  try {
    given = path.endsWith('.json') ? JSON.parse(await readFile(file, 'utf8')) : await importDefault(url)
  } catch (error) {
    return fault(`${path} cannot be loaded: ${firstLine(error)}${placeOf(error)}`)
  }
  const read = check(configSchema, given)
  if ('data' in read) return { config: read.data, faults: [], url }
  const faults = read.faults.map((one) => ({
    ...one,
    path: one.path === '' ? path : `${path}: ${one.path}`,
  }))
  // its plugins are looked at all the same, so that their faults are listed in the same run
  return broken(faults, pluginsOf(given))
}

function pluginsOf(given: unknown): readonly unknown[] {
  const isRecord = typeof given === 'object' && given !== null
  return isRecord && 'plugins' in given && Array.isArray(given.plugins) ? given.plugins : []
}

async function importDefault(url: string): Promise<unknown> {
  const module = await importFrom(url, url)
  if (!('default' in module))
    throw new Error('it has no default export (`export default defineConfig({ … })`)')
  return module['default']
}

/** Where in a file of the operator's it happened, as far as the stack says. */
function placeOf(error: unknown): string {
  const stack = error instanceof Error ? (error.stack ?? '') : ''
  const places = stack.matchAll(/(file:\/\/\/[^\s)]+?):(\d+)(?::\d+)?(?=[\s)]|$)/g)
  for (const [, url = '', line] of places) {
    if (url.startsWith(OWN_FOLDER) || url.includes('/node_modules/')) continue
    return ` (${fileURLToPath(url)}, line ${line})`
  }
  return ''
}

export function firstLine(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error)
  return message.split('\n', 1)[0] ?? ''
}
