import { subscribe, unsubscribe } from 'node:diagnostics_channel'

/** The channel that Node's fetch announces each response on, https://undici.nodejs.org/#/docs/api/DiagnosticsChannel */
const CHANNEL = 'undici:request:headers'

export interface RetryAfter {
  /** The last wait in milliseconds that the server asked for, counted from when it said so; null: it did not, or that time is over. */
  leftMs(): number | null
  close(): void
}

/**
 * Reads `Retry-After` off the responses of a server. The client cannot be asked: of version 1.19 it keeps the first character of the header (30
 * becomes 3), and a date makes it throw.
 */
export function watchRetryAfter(origin: string): RetryAfter {
  let until = -Infinity
  const listen = (message: unknown): void => {
    const waitMs = readAnnouncement(message, origin)
    if (waitMs !== null) until = Math.max(until, performance.now() + waitMs)
  }
  subscribe(CHANNEL, listen)
  return {
    leftMs: () => {
      const left = until - performance.now()
      return left > 0 ? Math.ceil(left) : null
    },
    close: () => void unsubscribe(CHANNEL, listen),
  }
}

function readAnnouncement(message: unknown, origin: string): number | null {
  if (!isRecord(message) || !isRecord(message['request']) || !isRecord(message['response'])) return null
  const { request, response } = message
  const status = response['statusCode']
  if (String(request['origin']) !== origin || (status !== 429 && status !== 503)) return null
  const headers: unknown = response['headers']
  if (!Array.isArray(headers)) return null
  const at = headers.findIndex((part, i) => i % 2 === 0 && String(part).toLowerCase() === 'retry-after')
  return at === -1 ? null : parseRetryAfter(String(headers[at + 1]))
}

/** Seconds or an HTTP date; null: neither. */
function parseRetryAfter(text: string): number | null {
  if (/^\d+(\.\d+)?$/.test(text.trim())) return Number(text) * 1000
  const date = Date.parse(text)
  return Number.isNaN(date) ? null : Math.max(0, date - Date.now())
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}
