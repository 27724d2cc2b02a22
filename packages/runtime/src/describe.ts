import { z } from 'zod'
import type { HostKind } from './plugin.js'
import type { KnownQuery, KnownType } from './registry.js'

export interface TypeInfo {
  readonly type: string
  readonly plugin: { readonly name: string; readonly version: string; readonly host: HostKind }
  readonly description: string | null
  readonly versions: readonly number[]
  /** JSON Schema (2020-12, input side) of each version's payload. */
  readonly payload: Readonly<Record<number, unknown>>
  readonly result: unknown
  readonly timeoutMs: number
  readonly maxAttempts: number
  readonly concurrency: number
  readonly paused: boolean
}

export interface QueryInfo {
  readonly name: string
  readonly plugin: { readonly name: string; readonly version: string; readonly host: HostKind }
  readonly description: string | null
  /** JSON Schemas. */
  readonly input: unknown
  readonly output: unknown
}

export function describeType(known: KnownType, paused: boolean): TypeInfo {
  const { type, plugin, versions, timeoutMs, maxAttempts, concurrency } = known
  const payload = Object.fromEntries(
    [...known.schemas].map(([version, schema]) => [version, z.toJSONSchema(schema, { io: 'input' })]),
  )
  const result = z.toJSONSchema(known.handler.result, { io: 'output' })
  const description = known.handler.spec.description ?? null
  return { type, plugin, description, versions, payload, result, timeoutMs, maxAttempts, concurrency, paused }
}

export function describeQuery({ name, plugin, query }: KnownQuery): QueryInfo {
  return {
    name,
    plugin,
    description: query.spec.description ?? null,
    input: z.toJSONSchema(query.input, { io: 'input' }),
    output: z.toJSONSchema(query.output, { io: 'output' }),
  }
}
