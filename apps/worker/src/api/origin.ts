import { isIP } from 'node:net'
import { ApiError } from './problem.js'

const LOOPBACK_NAMES = ['localhost', '127.0.0.1', '::1']

/** What the check looks at. */
export interface Caller {
  readonly host: string | undefined
  readonly origin: string | undefined
  /** The address of this machine that the connection came in on. */
  readonly localAddress: string | undefined
}

/**
 * Surfaces that answer without a token are open to every page in a browser on the same machine: by a forged form, or by a domain that is made
 * to resolve to this address (DNS rebinding). So the `Host` must be a loopback name, the address itself, or an allowed one, and so must
 * the `Origin` where there is one. Answers the check; it throws `host_refused` or `origin_refused`.
 */
export function createOriginCheck(allowedHosts: readonly string[]): (caller: Caller) => void {
  const allowed = new Set([...LOOPBACK_NAMES, ...allowedHosts.map((one) => bare(one))])
  return ({ host, origin, localAddress }) => {
    // a request without Host is HTTP/1.0, which no browser speaks
    if (host !== undefined && !isAllowed(hostOf(`http://${host}`), allowed, localAddress)) {
      throw new ApiError('host_refused', `the host ${shown(host)} is not one of this service`)
    }
    if (origin !== undefined && !isAllowed(hostOf(origin), allowed, localAddress)) {
      throw new ApiError('origin_refused', `pages of ${shown(origin)} may not call this service`)
    }
  }
}

/** An address that the connection really came in on cannot be the name of a foreign page. */
function isAllowed(
  host: string | null,
  allowed: ReadonlySet<string>,
  localAddress: string | undefined,
): boolean {
  if (host === null) return false
  if (allowed.has(host)) return true
  return isIP(host) !== 0 && host === localAddress?.replace(/^::ffff:(?=\d+\.)/, '')
}

function hostOf(url: string): string | null {
  const parsed = URL.canParse(url) ? new URL(url) : null
  if (parsed === null || !/^https?:$/.test(parsed.protocol) || parsed.username !== '') return null
  return parsed.hostname === '' ? null : bare(parsed.hostname)
}

function bare(host: string): string {
  return host.replaceAll(/^\[|\]$|\.$/g, '').toLowerCase()
}

function shown(text: string): string {
  return JSON.stringify(text.slice(0, 100))
}
