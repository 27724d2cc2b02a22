import { KEEP_INPUT, describeFaults, type Fault } from '@mcp-worker/runtime'
import { closest, distance } from 'fastest-levenshtein'
import { z } from 'zod'

/** Parses so that a fault can say what kind of value came. Answers the output, or all faults; an unknown key comes with the nearest known one. */
export function check<S extends z.ZodType>(
  schema: S,
  value: unknown,
  root = '',
): { readonly data: z.output<S> } | { readonly faults: readonly Fault[] } {
  const read = schema.safeParse(value, KEEP_INPUT)
  if (read.success) return { data: read.data }
  const faults = read.error.issues.slice(0, 100).flatMap((issue) => {
    const found = describeFaults({ issues: [issue] }, root)
    if (issue.code !== 'unrecognized_keys') return found
    const known = keysAt(schema, issue.path)
    return issue.keys.flatMap((key, i) => {
      const fault = found[i]
      return fault === undefined ? [] : [{ ...fault, message: unknownKey(key, known) }]
    })
  })
  return { faults }
}

/** For people. A fault of the whole has no path. */
export function faultLine({ path, message }: Fault): string {
  return path === '' ? message : `${path}: ${message}`
}

function unknownKey(key: string, known: readonly string[]): string {
  if (known.length === 0) return 'unknown key'
  const near = nearest(key, known, Math.ceil(key.length / 2))
  return near === null
    ? `unknown key; known are ${known.join(', ')}`
    : `unknown key, did you mean ${JSON.stringify(near)}?`
}

/** The known name that `name` was probably meant to be: at most `letters` of it differ. Null where none is near. */
export function nearest(name: string, known: readonly string[], letters: number): string | null {
  if (known.length === 0) return null
  const near = closest(bare(name), known.map(bare))
  return distance(bare(name), near) <= letters ? (known.find((one) => bare(one) === near) ?? null) : null
}

/** `max_attempts` and `maxAttempts` are the same name in another spelling. */
function bare(name: string): string {
  return name.replaceAll(/[_-]/g, '').toLowerCase()
}

/** The keys that a schema accepts at a path; empty where it is no object there. */
function keysAt(schema: z.ZodType, path: readonly PropertyKey[]): string[] {
  let at: unknown = unwrap(schema)
  for (const key of path) {
    if (at instanceof z.ZodObject) at = unwrap(at.shape[String(key)])
    else if (at instanceof z.ZodArray) at = unwrap(at.element)
    else return []
  }
  return at instanceof z.ZodObject ? Object.keys(at.shape) : []
}

function unwrap(schema: unknown): unknown {
  let inner = schema
  for (;;) {
    if (
      inner instanceof z.ZodOptional ||
      inner instanceof z.ZodNullable ||
      inner instanceof z.ZodDefault ||
      inner instanceof z.ZodPrefault
    ) {
      inner = inner.unwrap()
    } else if (inner instanceof z.ZodPipe) {
      inner = inner.in
    } else {
      return inner
    }
  }
}
