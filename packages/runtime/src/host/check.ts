import type { z } from 'zod'
import { KEEP_INPUT } from '../faults.js'

export type Checked = z.ZodSafeParseResult<unknown>

/** Checks a value by a schema; a promise only where the schema itself is asynchronous, since this is on the path of every task. */
export function check(schema: z.ZodType, value: unknown): Checked | Promise<Checked> {
  try {
    return schema.safeParse(value, KEEP_INPUT)
  } catch (error) {
    if (!isAsyncSchema(error)) throw error
    return schema.safeParseAsync(value, KEEP_INPUT)
  }
}

/** zod's way to say that a schema needs `safeParseAsync`; matched by name, since a handler may bring its own copy. */
function isAsyncSchema(error: unknown): boolean {
  return error instanceof Error && error.constructor.name === '$ZodAsyncError'
}
