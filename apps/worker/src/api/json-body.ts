import { isWorkerError, MAX_DEPTH, scanJson } from '@mcp-worker/runtime'
import type { FastifyInstance } from 'fastify'
import { ApiError } from './problem.js'

/** Largest body in bytes. */
export const MAX_BODY_BYTES = 4 * 1024 * 1024

/**
 * JSON is the only type of body. Its nesting and the key `__proto__` are looked for in the text, before anything recursive
 * (JSON.parse, zod) touches it.
 */
export function acceptJsonOnly(app: FastifyInstance): void {
  app.removeAllContentTypeParsers()
  app.addContentTypeParser(
    'application/json',
    { parseAs: 'buffer', bodyLimit: MAX_BODY_BYTES },
    (request, body, done) => {
      try {
        const encoding = request.headers['content-encoding'] ?? 'identity'
        if (encoding !== 'identity') {
          throw new ApiError('unsupported_media_type', `the body is encoded with ${JSON.stringify(encoding)}`)
        }
        done(null, parseJson(body as Buffer))
      } catch (error) {
        done(error as Error)
      }
    },
  )
}

/** Throws `bad_json`, `payload_too_deep` or `forbidden_key`. */
export function parseJson(bytes: Uint8Array): unknown {
  const text = decode(bytes)
  // a payload may use all of its levels below { tasks: [ { payload } ] }
  scanJson(text, MAX_DEPTH + 3)
  try {
    return JSON.parse(text, MAY_BE_CHANGED.test(text) ? refuseChanged : undefined)
  } catch (error) {
    if (isWorkerError(error) || error instanceof ApiError) throw error
    throw new ApiError('bad_json', text === '' ? 'the body is empty, expected JSON' : 'the body is not JSON')
  }
}

/** With fewer digits, of a number or of its exponent, none is beyond 2^53 or infinite; most bodies need no look at each value. */
const MAY_BE_CHANGED = /\d{16}|[eE]\+?\d{3}/

/** For JSON.parse: an integer beyond 2^53 would be stored as another one, a number that is too large as null. */
function refuseChanged(key: string, value: unknown, context?: { readonly source?: string }): unknown {
  const source = context?.source ?? ''
  if (typeof value !== 'number' || isKept(value, source)) return value
  throw new ApiError(
    'bad_json',
    `${JSON.stringify(key)} is ${source.slice(0, 40)}, which a JSON number does not keep: it would become ${value}. Send it as a string`,
  )
}

function isKept(value: number, source: string): boolean {
  if (!Number.isFinite(value)) return false
  return Number.isSafeInteger(value) || !/^-?\d+$/.test(source) || BigInt(source) === BigInt(value)
}

function decode(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    throw new ApiError('bad_json', 'the body is not UTF-8')
  }
}
