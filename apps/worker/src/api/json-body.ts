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
    return JSON.parse(text)
  } catch (error) {
    if (isWorkerError(error)) throw error
    throw new ApiError('bad_json', text === '' ? 'the body is empty, expected JSON' : 'the body is not JSON')
  }
}

function decode(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    throw new ApiError('bad_json', 'the body is not UTF-8')
  }
}
