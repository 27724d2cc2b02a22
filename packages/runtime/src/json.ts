import { WorkerError } from './errors.js'

/** Deepest nesting of a payload or result. JSON.parse, zod and JSON.stringify recurse: some throw at a depth of 10,000. */
export const MAX_DEPTH = 64
/** In bytes of UTF-8. */
export const MAX_PAYLOAD_BYTES = 1024 * 1024
export const MAX_RESULT_BYTES = 256 * 1024

/**
 * Looks a JSON text over before anything recursive touches it: nesting (`payload_too_deep`) and the key `__proto__`
 * (`forbidden_key`). It does not check the syntax; JSON.parse does.
 */
export function scanJson(text: string, maxDepth = MAX_DEPTH): void {
  let depth = 0
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i)
    if (c === 0x22) {
      i = endOfString(text, i)
    } else if (c === 0x7b || c === 0x5b) {
      if (++depth > maxDepth) {
        throw new WorkerError('payload_too_deep', `JSON nested deeper than ${maxDepth} levels`)
      }
    } else if (c === 0x7d || c === 0x5d) depth--
  }
  refuseProto(text)
}

/** The index of the closing quote of the string that opens at `start`. */
function endOfString(text: string, start: number): number {
  let end = text.indexOf('"', start + 1)
  while (end !== -1 && isEscaped(text, end)) end = text.indexOf('"', end + 1)
  return end === -1 ? text.length : end
}

function isEscaped(text: string, quote: number): boolean {
  let backslashes = 0
  for (let i = quote - 1; text.charCodeAt(i) === 0x5c; i--) backslashes++
  return backslashes % 2 === 1
}

const PROTO_KEY =
  /"(?:_|\\u005f)(?:_|\\u005f)(?:p|\\u0070)(?:r|\\u0072)(?:o|\\u006f)(?:t|\\u0074)(?:o|\\u006f)(?:_|\\u005f)(?:_|\\u005f)"\s*:/i

function refuseProto(text: string): void {
  // most texts have neither: two searches in native code, no regular expression
  if (!text.includes('__') && !text.includes('\\u')) return
  if (PROTO_KEY.test(text)) throw new WorkerError('forbidden_key', 'a key is named __proto__')
}

/**
 * JSON text of a value that somebody's code made, checked like a text from outside.
 * Throws `code` where it cannot be written as JSON, is larger than `maxBytes`, or too deep.
 */
export function toJsonText(
  value: unknown,
  limit: {
    readonly maxBytes: number
    readonly tooLarge: 'payload_too_large' | 'result_too_large'
    readonly what: string
  },
): string {
  const text = stringify(value, limit.what)
  checkSize(text, limit)
  scanJson(text)
  return text
}

function stringify(value: unknown, what: string): string {
  let text: string | undefined
  try {
    text = JSON.stringify(value)
  } catch (cause) {
    const code = cause instanceof RangeError ? 'payload_too_deep' : 'invalid_payload'
    throw new WorkerError(
      code,
      `${what} cannot be written as JSON: ${(cause as Error).message.split('\n')[0]}`,
    )
  }
  if (text === undefined)
    throw new WorkerError('invalid_payload', `${what} is ${typeof value}, expected JSON`)
  return text
}

function checkSize(
  text: string,
  limit: {
    readonly maxBytes: number
    readonly tooLarge: 'payload_too_large' | 'result_too_large'
    readonly what: string
  },
): void {
  if (text.length * 3 <= limit.maxBytes) return
  const bytes = Buffer.byteLength(text)
  if (bytes > limit.maxBytes) {
    throw new WorkerError(
      limit.tooLarge,
      `${limit.what} has ${bytes} bytes, at most ${limit.maxBytes} are accepted`,
    )
  }
}

/** The same value always gives the same text: keys sorted, no white space (RFC 8785 but for the number format, which JSON.stringify's already is). */
export function canonicalJson(text: string): string {
  return JSON.stringify(sortKeys(JSON.parse(text)))
}

function sortKeys(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sortKeys)
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1))
  return Object.fromEntries(entries.map(([key, inner]) => [key, sortKeys(inner)]))
}
