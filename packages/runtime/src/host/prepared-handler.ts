import type { z } from 'zod'
import { newestVersion, payloadSchemas } from '../payload-versions.js'
import type { ErasedHandlerSpec, Handler, Plugin } from '../plugin.js'

/** A handler with what is looked up per task worked out once. */
export interface PreparedHandler {
  readonly newest: number
  readonly newestSchema: z.ZodType
  readonly schemas: ReadonlyMap<number, z.ZodType>
  readonly spec: ErasedHandlerSpec
}

export function prepareHandlers(plugin: Plugin): ReadonlyMap<string, PreparedHandler> {
  return new Map(plugin.handlers.map((handler) => [handler.type, prepare(handler)]))
}

function prepare(handler: Handler): PreparedHandler {
  const schemas = payloadSchemas(handler.payload)
  const newest = newestVersion(handler.payload)
  const newestSchema = schemas.get(newest)
  if (newestSchema === undefined) throw new TypeError(`handler ${handler.type} has no payload schema`)
  return { newest, newestSchema, schemas, spec: handler.spec }
}
