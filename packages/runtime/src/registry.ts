import { z } from 'zod'
import { DEFAULT_BACKOFF, type BackoffPolicy } from './backoff.js'
import { parseDuration } from './duration.js'
import type { CheckedPlugin } from './handshake.js'
import type { PluginHost } from './host/host.js'
import { newestVersion, payloadSchemas } from './payload-versions.js'
import type { Handler, HostKind, Query } from './plugin.js'

/** A task type that this worker knows, with everything that is looked up per task worked out once. */
export interface KnownType {
  readonly type: string
  readonly handler: Handler
  readonly plugin: { readonly name: string; readonly version: string; readonly host: HostKind }
  readonly host: PluginHost
  readonly versions: readonly number[]
  readonly newest: number
  readonly schemas: ReadonlyMap<number, z.ZodType>
  readonly timeoutMs: number
  readonly maxAttempts: number
  readonly backoff: BackoffPolicy
  readonly concurrency: number
}

export interface KnownQuery {
  readonly name: string
  readonly query: Query
  readonly plugin: KnownType['plugin']
  readonly host: PluginHost
}

export interface Registry {
  readonly types: ReadonlyMap<string, KnownType>
  readonly queries: ReadonlyMap<string, KnownQuery>
}

const DEFAULT_MAX_ATTEMPTS = 5

export function createRegistry(
  plugins: readonly (CheckedPlugin & { readonly running: PluginHost })[],
  defaults: { readonly timeoutMs: number; readonly concurrency: number },
): Registry {
  const types = new Map<string, KnownType>()
  const queries = new Map<string, KnownQuery>()
  for (const { plugin, host, running } of plugins) {
    const origin = { name: plugin.name, version: plugin.version, host }
    for (const handler of plugin.handlers)
      types.set(handler.type, knownType(handler, origin, running, defaults))
    for (const query of plugin.queries)
      queries.set(query.name, { name: query.name, query, plugin: origin, host: running })
  }
  return { types, queries }
}

function knownType(
  handler: Handler,
  plugin: KnownType['plugin'],
  host: PluginHost,
  defaults: { readonly timeoutMs: number; readonly concurrency: number },
): KnownType {
  const schemas = payloadSchemas(handler.payload)
  const { timeout, retry = {}, concurrency } = handler.spec
  return {
    type: handler.type,
    handler,
    plugin,
    host,
    schemas,
    versions: [...schemas.keys()],
    newest: newestVersion(handler.payload),
    timeoutMs: timeout === undefined ? defaults.timeoutMs : parseDuration(timeout),
    maxAttempts: retry.maxAttempts ?? DEFAULT_MAX_ATTEMPTS,
    backoff: {
      minDelayMs: retry.minDelay === undefined ? DEFAULT_BACKOFF.minDelayMs : parseDuration(retry.minDelay),
      maxDelayMs: retry.maxDelay === undefined ? DEFAULT_BACKOFF.maxDelayMs : parseDuration(retry.maxDelay),
    },
    concurrency: Math.min(concurrency ?? defaults.concurrency, defaults.concurrency),
  }
}
