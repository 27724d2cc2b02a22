import { type IncomingMessage, request as httpRequest } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { text } from 'node:stream/consumers'
import { ModelError } from '../../errors.js'
import { timeoutSignal } from '../../timers.js'

export interface HttpAnswer {
  readonly status: number
  /** Parsed JSON; undefined where the body is not JSON. */
  readonly json: unknown
  /** The start of the body, on one line: fit for a message. */
  readonly excerpt: string
  readonly retryAfter: string | null
  /** The server's clock in milliseconds since the epoch, in whole seconds; where it does not tell, ours. */
  readonly at: number
}

export interface HttpCallOptions {
  readonly signal: AbortSignal
  readonly timeoutMs: number
}

/**
 * Answers whatever the status is. Rejects with ENDPOINT_UNREACHABLE (the system's code is the cause's), ENDPOINT_TIMEOUT, or the signal's reason.
 */
export type HttpCall = (path: string, body: unknown, options: HttpCallOptions) => Promise<HttpAnswer>

const excerptCharacters = 300

/** Not `fetch`: it gives up after 300 s without an answer, and a load may take longer. */
export function createHttpCall(base: string, apiKey: string | undefined): HttpCall {
  const send = base.startsWith('https:') ? httpsRequest : httpRequest
  const authorization = apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` }

  function open(path: string, body: unknown, signal: AbortSignal): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const content = body === undefined ? '' : JSON.stringify(body)
      const headers = {
        accept: 'application/json',
        ...(body === undefined
          ? {}
          : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(content) }),
        ...authorization,
      }
      const method = body === undefined ? 'GET' : 'POST'
      // a connection per call: a kept one may have been closed by the server just now
      const request = send(`${base}${path}`, { method, headers, signal, agent: false })
      request.on('response', resolve).on('error', reject).end(content)
    })
  }
  return async (path, body, { signal, timeoutMs }) => {
    signal.throwIfAborted()
    const timeout = timeoutSignal(timeoutMs)
    try {
      const response = await open(path, body, AbortSignal.any([signal, timeout]))
      const content = await text(response)
      const shown = apiKey === undefined ? content : content.replaceAll(apiKey, '[redacted]')
      return {
        status: response.statusCode ?? 0,
        json: parse(content),
        excerpt: shown.replaceAll(/\s+/g, ' ').trim().slice(0, excerptCharacters),
        retryAfter: response.headers['retry-after'] ?? null,
        at: timeOf(response.headers.date) ?? Date.now(),
      }
    } catch (cause) {
      signal.throwIfAborted()
      if (timeout.aborted) {
        const problem = `expected an answer from ${base}${path} within ${timeoutMs} ms, got none`
        throw new ModelError('ENDPOINT_TIMEOUT', problem, { cause })
      }
      const problem = `expected an answer from ${base}${path}, got ${codeOf(cause) ?? 'a broken connection'}`
      throw new ModelError('ENDPOINT_UNREACHABLE', problem, { cause })
    }
  }
}

/** Milliseconds since the epoch; null where it is no date. */
export function timeOf(date: string | undefined): number | null {
  const ms = Date.parse(date ?? '')
  return Number.isNaN(ms) ? null : ms
}

export function codeOf(error: unknown): string | null {
  return error instanceof Error && 'code' in error ? String(error.code) : null
}

function parse(content: string): unknown {
  try {
    return JSON.parse(content)
  } catch {
    return undefined
  }
}
