import type { Fault } from '@mcp-worker/runtime'
import { z } from 'zod'
import { MAX_TIMER_MS, durationMs } from './durations.js'
import { nearest } from './faults.js'
import { tokenTextSchema } from './scopes.js'

/** What the process was started with: `process.env`, or a test's own. */
export type RawEnvironment = Readonly<Record<string, string | undefined>>

interface Variable<T> {
  /** Takes the text, answers the value; its messages say what is expected. */
  readonly schema: z.ZodType<T, string>
  /** As it would be written in the environment; null: unset. */
  readonly default: string | null
  readonly doc: string
  /** Its value is never shown. */
  readonly secret?: true
}

function variable<T>(spec: Variable<T>): Variable<T> {
  return spec
}

/** A variable that may be unset. */
function optional<T>(schema: z.ZodType<T, string>): z.ZodType<T | null, string> {
  return schema
}

const LEVELS = {
  DEBUG: 'debug',
  INFO: 'info',
  WARNING: 'warn',
  WARN: 'warn',
  ERROR: 'error',
  CRITICAL: 'error',
} as const

const choice = <const T extends string>(...values: readonly T[]) =>
  z.enum(values, { error: `expected ${values.join(', ')}` })

const wholeNumber = (what: string, min: number, max: number) =>
  z
    .string()
    .regex(/^\d{1,9}$/, { error: `expected ${what}: a whole number from ${min} to ${max}`, abort: true })
    .transform(Number)
    .refine((n) => n >= min && n <= max, { error: `expected ${what}: a whole number from ${min} to ${max}` })

const port = wholeNumber('a port (0: any free one)', 0, 65_535)

/** Answers milliseconds. */
const seconds = (minMs: number, maxMs = MAX_TIMER_MS) =>
  z.string().transform((text, context) => {
    const ms = durationMs(text)
    if (ms !== null && ms >= minMs && ms <= maxMs) return ms
    const message = `expected seconds or a text like "30s", "2m", from ${minMs / 1_000} to ${Math.floor(maxMs / 1_000)} seconds`
    context.addIssue({ code: 'custom', message })
    return z.NEVER
  })

const HOST_NAME = /^[A-Za-z0-9._-]+$|^\[?[0-9A-Fa-f:.]+\]?$/
const hostName = z.string().regex(HOST_NAME, { error: 'expected a host name or an IP address' })

const list = (item: RegExp, expected: string) =>
  z
    .string()
    .transform((text) =>
      text
        .split(',')
        .map((one) => one.trim())
        .filter((one) => one !== ''),
    )
    .refine((items) => items.every((one) => item.test(one)), { error: expected })

const PACKAGE_NAME = /^(@[a-z0-9][\w.-]*\/)?[a-z0-9][\w.-]*$/i

const queueUrl = z.string().transform((text, context) => {
  if (text === 'memory:') return 'memory' as const
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(text)?.[1]?.toLowerCase()
  const message = ['redis', 'rediss', 'postgres', 'postgresql'].includes(scheme ?? '')
    ? 'redis:// and postgres:// are not supported by this version; leave it unset for the embedded queue'
    : 'expected memory: or nothing (the embedded queue in DATA_DIR)'
  context.addIssue({ code: 'custom', message })
  return z.NEVER
})

/** One row per variable: docs/configuration.md is tested against this table. */
export const VARIABLES = {
  ENVIRONMENT: variable({
    schema: choice('production', 'staging', 'test', 'development'),
    default: 'production',
    doc: '`development`: pretty logs; everything else logs JSON lines',
  }),
  LOG_LEVEL: variable({
    schema: z
      .string()
      .toUpperCase()
      .pipe(choice('DEBUG', 'INFO', 'WARNING', 'WARN', 'ERROR', 'CRITICAL'))
      .transform((level) => LEVELS[level]),
    default: 'INFO',
    doc: '`DEBUG`, `INFO`, `WARNING`, `ERROR` or `CRITICAL`; `DEBUG` also logs queue status, handler steps and resource use',
  }),
  API_HOST: variable({
    schema: hostName,
    default: '127.0.0.1',
    doc: 'Address of the API. Beyond loopback `API_TOKEN` or tokens in the configuration file are required',
  }),
  API_PORT: variable({ schema: port, default: '8000', doc: 'Port of the API; `0`: any free one' }),
  API_TOKEN: variable({
    schema: optional(tokenTextSchema),
    default: null,
    doc: 'A token with every scope, at least 16 characters; `Authorization: Bearer …`',
    secret: true,
  }),
  API_ALLOWED_HOSTS: variable({
    schema: list(HOST_NAME, 'expected host names without scheme and port, separated by commas'),
    default: '',
    doc: 'Host names, beside those of loopback, under which surfaces without a token answer (`Host` and `Origin`); comma-separated',
  }),
  METRICS_HOST: variable({
    schema: hostName,
    default: '127.0.0.1',
    doc: 'Address of the metrics port; it asks for no token',
  }),
  METRICS_PORT: variable({
    schema: port,
    default: '9090',
    doc: 'Port of `/metrics`, `/livez`, `/readyz` and `/health`; `0`: any free one',
  }),
  WORKER_ROLE: variable({
    schema: choice('all', 'api', 'worker'),
    default: 'all',
    doc: '`api`: accepts tasks, runs none · `worker`: runs tasks, has no API · `all`: both',
  }),
  WORKER_CONCURRENCY: variable({
    schema: wholeNumber('a number of tasks', 1, 1_000),
    default: '4',
    doc: "Tasks at once per process; a handler's own `concurrency` is a cap within it",
  }),
  TASK_TIMEOUT: variable({
    schema: seconds(1),
    default: '300',
    doc: 'Time limit of a delivery in seconds (or `"5m"`); a handler or a task may set its own',
  }),
  HEALTH_CHECK_INTERVAL: variable({
    schema: seconds(1_000, 86_400_000),
    default: '30',
    doc: 'Seconds between two health checks',
  }),
  SHUTDOWN_TIMEOUT: variable({
    schema: seconds(0, 3_600_000),
    default: '25',
    doc: 'Seconds that all phases of a shutdown may take together',
  }),
  DATA_DIR: variable({
    schema: z.string(),
    default: './data',
    doc: 'Folder of the embedded queue and of what plugins keep',
  }),
  QUEUE_URL: variable({
    schema: optional(queueUrl),
    default: null,
    doc: 'Unset: the embedded queue, `queue.db` in `DATA_DIR`. `memory:` keeps tasks only as long as the process lives',
  }),
  WORKER_CONFIG: variable({
    schema: optional(z.string()),
    default: null,
    doc: 'Configuration file, `worker.config.ts` or `.json`: plugins with options, schedules, tokens, limits',
  }),
  WORKER_PLUGINS: variable({
    schema: optional(list(PACKAGE_NAME, 'expected package names, separated by commas')),
    default: null,
    doc: 'Handler packages to load with their default options, comma-separated; `@mcp-worker/handler-vector-index`, `@mcp-worker/handler-model-cache` and `@mcp-worker/handler-data-cleanup` where neither this nor the file names any',
  }),
  OLLAMA_URL: variable({
    schema: z
      .url({ protocol: /^https?$/, error: 'expected an address with http:// or https://' })
      .refine((text) => !/^https?:\/\/[^/]*@/.test(text), {
        error: 'expected no user or password in the address',
      }),
    default: 'http://127.0.0.1:11434',
    doc: 'The Ollama server that `model_cache` loads models on',
  }),
  CLEANUP_TEMP_ROOT: variable({
    schema: optional(z.string().regex(/^\/[^\0]*$/, { error: 'expected an absolute path, as in /tmp' })),
    default: null,
    doc: "Folder that `data_cleanup` cleans as `temp_files`, a mounted file system too. Unset: the system's folder for temporary files, where no file system is mounted",
  }),
} as const

export type VariableName = keyof typeof VARIABLES

/** The values by the variables' own names; durations in milliseconds. */
export type Environment = {
  readonly [K in VariableName]: (typeof VARIABLES)[K] extends Variable<infer T> ? T : never
}

export interface ReadEnvironment {
  /** A faulty variable has its default here, so that what depends on it can be checked in the same run. */
  readonly environment: Environment
  readonly faults: readonly Fault[]
  /** Set, unknown, and nearly spelt like a known one. A warning only: the environment belongs to others as well. */
  readonly suspects: readonly { readonly given: string; readonly nearest: string }[]
}

/** Reads and checks all variables; an empty one counts as unset. */
export function readEnvironment(raw: RawEnvironment): ReadEnvironment {
  const faults: Fault[] = []
  const entries = Object.entries(VARIABLES).map(([name, spec]) => {
    const { value, fault } = readVariable(name, spec, raw[name])
    if (fault !== null) faults.push(fault)
    return [name, value] as const
  })
  return { environment: Object.fromEntries(entries) as Environment, faults, suspects: suspectsIn(raw) }
}

function readVariable(
  name: string,
  spec: Variable<unknown>,
  given: string | undefined,
): { readonly value: unknown; readonly fault: Fault | null } {
  const fallback = () => (spec.default === null ? null : spec.schema.parse(spec.default))
  if (given === undefined || given === '') return { value: fallback(), fault: null }
  const read = spec.schema.safeParse(given)
  if (read.success) return { value: read.data, fault: null }
  const shown = spec.secret === true ? `a text of ${given.length} characters` : withoutPassword(given)
  const message = `${read.error.issues[0]?.message ?? 'not accepted'}; ${shown} was given`
  return { value: fallback(), fault: { path: name, message } }
}

/** An address may hold one: it has no place in a log. */
function withoutPassword(given: string): string {
  return JSON.stringify(given.replaceAll(/\/\/[^/\s]*@/g, '//…@'))
}

const OURS = /^(WORKER|API|METRICS|TASK|HEALTH|SHUTDOWN|QUEUE|DATA|LOG)_/

function suspectsIn(raw: RawEnvironment): { given: string; nearest: string }[] {
  const known = Object.keys(VARIABLES)
  return Object.keys(raw).flatMap((given) => {
    if (!OURS.test(given) || known.includes(given)) return []
    const near = nearest(given, known, 2)
    return near === null ? [] : [{ given, nearest: near }]
  })
}
