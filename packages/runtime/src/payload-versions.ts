import type { z } from 'zod'
import type { PayloadSpec } from './plugin.js'

/** The schemas of a payload by version, oldest first. A single schema is version 1. Keys that are no number are left out. */
export function payloadSchemas(payload: PayloadSpec): Map<number, z.ZodType> {
  if (isSchema(payload)) return new Map([[1, payload]])
  const versions = Object.entries(payload).map(([key, schema]) => [Number(key), schema] as const)
  return new Map(versions.filter(([version]) => !Number.isNaN(version)).toSorted(([a], [b]) => a - b))
}

/** The version that `run` is given. */
export function newestVersion(payload: PayloadSpec): number {
  return Math.max(...payloadSchemas(payload).keys())
}

/** By shape, not by class: a handler package may bring its own copy of zod. */
export function isSchema(value: unknown): value is z.ZodType {
  return typeof value === 'object' && value !== null && '_zod' in value && 'safeParse' in value
}
