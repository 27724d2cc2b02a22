import type { z } from 'zod'
import { isWorkerError, type Fault } from './errors.js'
import { describeFaults } from './faults.js'
import { kindOf } from './kind-of.js'
import { cutToBytes, redact, stripControl } from './redact.js'
import type { TaskError } from './task.js'

const MAX_BYTES = 4096
/** Of each link of the chain, before anything is searched in it. */
const MAX_LINK_LENGTH = 8192
const MAX_LINKS = 8
const CODE = /^[A-Za-z][A-Za-z0-9_]{0,63}$/

/**
 * The error of a task, from whatever was thrown: `message; caused by TypeError: message; …`, at most 4 KiB, one line, secrets redacted.
 * The code is that of a WorkerError, NonRetryableError or RetryableError, else `fallbackCode`. Never throws.
 */
export function toTaskError(thrown: unknown, fallbackCode: string): TaskError {
  try {
    return { code: codeOf(thrown) ?? fallbackCode, message: messageOfChain(thrown) }
  } catch {
    // a getter or proxy trap of the thrown value threw in turn
    return { code: fallbackCode, message: 'something was thrown that cannot be read' }
  }
}

/** An error of the runtime's own making, with its faults written out. */
export function faultyTaskError(code: string, what: string, faults: readonly Fault[]): TaskError {
  return { code, message: clean(`${what}: ${faultList(faults)}`) }
}

function messageOfChain(thrown: unknown): string {
  const seen = new Set<unknown>()
  const links: string[] = []
  let link = thrown
  while (links.length < MAX_LINKS && !seen.has(link)) {
    seen.add(link)
    links.push(describeLink(link, links.length > 0))
    if (!(typeof link === 'object' && link !== null && 'cause' in link) || link.cause === undefined) break
    link = link.cause
  }
  const causes = links.map((text, i) => (i < links.length - 1 ? text.replace(/\.$/, '') : text))
  return clean(causes.join('; caused by '))
}

function clean(text: string): string {
  return cutToBytes(redact(stripControl(text)).trim(), MAX_BYTES)
}

function describeLink(link: unknown, isCause: boolean): string {
  if (isZodError(link)) return `a value does not fit its schema: ${faultList(describeFaults(link))}`
  if (!isErrorLike(link)) return nonError(link)
  const named = isCause || !PLAIN_NAMES.has(link.name) ? `${link.name}: ${link.message}` : link.message
  const text = (link.message === '' ? link.name : named).slice(0, MAX_LINK_LENGTH)
  if (isWorkerError(link) && link.faults.length > 0) return `${text}: ${faultList(link.faults)}`
  return link instanceof AggregateError ? `${text} ${aggregated(link)}` : text
}

/** Names that say nothing beyond the message and the code. */
const PLAIN_NAMES: ReadonlySet<string> = new Set([
  'Error',
  'WorkerError',
  'NonRetryableError',
  'RetryableError',
])

function nonError(thrown: unknown): string {
  if (typeof thrown === 'string') return `a string was thrown: ${thrown.slice(0, MAX_LINK_LENGTH)}`
  if (typeof thrown === 'object' && thrown !== null) return `a non-error was thrown: ${kindOf(thrown)}`
  if (typeof thrown === 'function') return 'a function was thrown'
  return `${String(thrown)} was thrown`
}

function aggregated(error: AggregateError): string {
  const few = error.errors.slice(0, 3).map((inner) => describeLink(inner, true))
  const more = error.errors.length - few.length
  return `[${few.join('; ')}${more > 0 ? `; and ${more} more` : ''}]`
}

function faultList(faults: readonly Fault[]): string {
  return faults
    .slice(0, 20)
    .map(({ path, message }) => (path === '' ? message : `${path}: ${message}`))
    .join('; ')
}

/** Errors of another realm or copy count as errors too. */
function isErrorLike(value: unknown): value is { readonly name: string; readonly message: string } {
  return (
    typeof value === 'object' &&
    value !== null &&
    'message' in value &&
    typeof value.message === 'string' &&
    'name' in value &&
    typeof value.name === 'string'
  )
}

function isZodError(value: unknown): value is { readonly issues: readonly z.core.$ZodIssue[] } {
  return (
    typeof value === 'object' &&
    value !== null &&
    '_zod' in value &&
    'issues' in value &&
    Array.isArray(value.issues)
  )
}

function codeOf(thrown: unknown): string | null {
  if (typeof thrown !== 'object' || thrown === null || !('code' in thrown)) return null
  const ours = isWorkerError(thrown) || hasBrand(thrown)
  return ours && typeof thrown.code === 'string' && CODE.test(thrown.code) ? thrown.code : null
}

const BRANDS = [Symbol.for('@mcp-worker/non-retryable'), Symbol.for('@mcp-worker/retryable')]

function hasBrand(thrown: object): boolean {
  return BRANDS.some((brand) => brand in thrown)
}
