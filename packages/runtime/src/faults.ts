import type { z } from 'zod'
import type { Fault } from './errors.js'
import { kindOf } from './kind-of.js'
import { cutToBytes, redact, stripControl } from './redact.js'

type Issue = z.core.$ZodIssue

const MAX_FAULTS = 100
const MAX_MESSAGE_BYTES = 300
const MAX_KEY_BYTES = 64

/** Parse with this, so that a fault can say what kind of value came: `schema.safeParse(value, KEEP_INPUT)`. */
export const KEEP_INPUT = { reportInput: true } as const

/**
 * What a zod error says, one fault per problem, at most 100. A message says what was expected and what kind of value came, never the
 * value; words that a schema gives itself (`error`, `refine`) are taken as they are. Of a union: the option that came closest.
 */
export function describeFaults(error: { readonly issues: readonly Issue[] }, root = ''): Fault[] {
  const faults: Fault[] = []
  for (const issue of error.issues) collect(issue, root, faults)
  if (faults.length <= MAX_FAULTS) return faults
  const more = { path: root, message: `and ${faults.length - MAX_FAULTS + 1} more` }
  return [...faults.slice(0, MAX_FAULTS - 1), more]
}

function collect(issue: Issue, root: string, faults: Fault[]): void {
  const path = joinPath(root, issue.path)
  if (issue.code === 'unrecognized_keys') {
    for (const key of issue.keys) faults.push({ path: joinPath(path, [key]), message: 'unknown key' })
    return
  }
  const nested = issue.code === 'invalid_union' ? closest(issue.errors) : null
  if (nested === null) {
    faults.push({ path, message: cutToBytes(messageOf(issue), MAX_MESSAGE_BYTES) })
    return
  }
  for (const inner of nested) collect(inner, path, faults)
}

/** The one option of a union that got past its first look (its problems lie deeper); null where none or several did. */
function closest(options: readonly (readonly Issue[])[]): readonly Issue[] | null {
  if (options.length === 1) return options[0] ?? null
  const deeper = options.filter((issues) =>
    issues.every((issue) => issue.path.length > 0 || issue.code === 'unrecognized_keys'),
  )
  return deeper.length === 1 ? (deeper[0] ?? null) : null
}

/** `documents[3].id`; keys that are no plain word in brackets and quotes. */
export function joinPath(root: string, path: readonly PropertyKey[]): string {
  let joined = root
  for (const key of path) {
    if (typeof key === 'number') joined += `[${key}]`
    else joined = joinKey(joined, String(key))
  }
  return joined
}

function joinKey(path: string, key: string): string {
  if (!/^[A-Za-z_$][\w$-]{0,63}$/.test(key)) return `${path}[${JSON.stringify(shortKey(key))}]`
  return path === '' ? key : `${path}.${key}`
}

function shortKey(key: string): string {
  return cutToBytes(redact(stripControl(key.slice(0, 4 * MAX_KEY_BYTES))), MAX_KEY_BYTES)
}

function messageOf(issue: Issue): string {
  const expected = expectationOf(issue)
  if (expected === null) return redact(stripControl(issue.message))
  const came = cameOf(issue)
  return came === null ? `expected ${expected}` : `expected ${expected}, got ${came}`
}

/** How zod begins its own messages. */
const ZODS_OWN = /^(?:Invalid |Too (?:big|small): |Unrecognized )/

/** Null: the schema's author wrote the message. */
function expectationOf(issue: Issue): string | null {
  if (issue.message !== undefined && !ZODS_OWN.test(issue.message)) return null
  switch (issue.code) {
    case 'invalid_type':
      return KINDS[issue.expected] ?? issue.expected
    case 'invalid_value':
      return issue.values.length === 1 ? literal(issue.values[0]) : `one of ${listed(issue.values)}`
    case 'too_small':
      return bound(issue.origin, issue.inclusive === false ? 'more than' : 'at least', issue.minimum, issue)
    case 'too_big':
      return bound(issue.origin, issue.inclusive === false ? 'less than' : 'at most', issue.maximum, issue)
    case 'not_multiple_of':
      return `a multiple of ${issue.divisor}`
    case 'invalid_format':
      return formatOf(issue)
    case 'invalid_union':
      return unionOf(issue)
    case 'invalid_key':
      return `another key: ${issue.issues.map(messageOf).join('; ')}`
    default:
      return null
  }
}

/** In the words of JSON, where zod has others. */
const KINDS: Readonly<Record<string, string>> = { int: 'whole number', record: 'object', tuple: 'array' }

function literal(value: unknown): string {
  return typeof value === 'bigint' ? `${value}n` : (JSON.stringify(value) ?? String(value))
}

function listed(values: readonly unknown[]): string {
  // that it may be left out is no value that one could write
  const given = values.filter((value) => value !== undefined)
  const shown = given.slice(0, 12).map(literal).join(', ')
  return given.length > 12 ? `${shown} and ${given.length - 12} more` : shown
}

const COUNTED: Readonly<Record<string, string>> = {
  string: 'characters',
  array: 'items',
  set: 'items',
  map: 'entries',
  file: 'bytes',
}

function bound(
  origin: string,
  word: string,
  limit: number | bigint,
  issue: { readonly exact?: boolean | undefined },
): string {
  const counted = COUNTED[origin]
  const amount = origin === 'date' ? new Date(Number(limit)).toISOString() : String(limit)
  return `${issue.exact === true ? 'exactly' : word} ${amount}${counted === undefined ? '' : ` ${counted}`}`
}

function formatOf(issue: Extract<Issue, { code: 'invalid_format' }>): string {
  if (issue.format === 'regex') return `text that matches ${issue.pattern ?? 'the pattern'}`
  const extra = issue as { readonly prefix?: unknown; readonly suffix?: unknown; readonly includes?: unknown }
  if (issue.format === 'starts_with') return `text that starts with ${literal(extra.prefix)}`
  if (issue.format === 'ends_with') return `text that ends with ${literal(extra.suffix)}`
  if (issue.format === 'includes') return `text that contains ${literal(extra.includes)}`
  return `text in the format ${issue.format}`
}

function unionOf(issue: Extract<Issue, { code: 'invalid_union' }>): string {
  const { options } = issue as { readonly options?: readonly unknown[] | undefined }
  if (options !== undefined && options.length > 0) return `one of ${listed(options)}`
  const expectations = issue.errors.map((errors) => errors.map(inUnion).join(' and '))
  return expectations.some((text) => text === '') ? 'another value' : expectations.join(' or ')
}

/** The author's words fit among others where they begin as ours do; empty where not. */
function inUnion(issue: Issue): string {
  return expectationOf(issue) ?? /^expected (.*)/s.exec(redact(stripControl(issue.message)))?.[1] ?? ''
}

/** The kind of value that came; null where it does not help (a bound, a format) or is not known. */
function cameOf(issue: Issue): string | null {
  if (issue.code === 'invalid_union' && 'discriminator' in issue) return null
  if (issue.code === 'invalid_format' || issue.code === 'invalid_key') return null
  if (issue.code === 'too_small' || issue.code === 'too_big') return amountOf(issue.input)
  if (issue.code === 'invalid_type' && 'received' in issue) return String(issue.received)
  if ('input' in issue) {
    const kind = kindOf(issue.input)
    return issue.code === 'invalid_value' && kind === 'string' ? 'another text' : kind
  }
  const received = /, received (\w{1,30})$/.exec(issue.message)?.[1]
  return received === 'undefined' ? 'nothing' : (received ?? null)
}

/** A length is no payload text; a number would be. */
function amountOf(input: unknown): string | null {
  if (typeof input === 'string' || Array.isArray(input)) return String(input.length)
  return input instanceof Set || input instanceof Map ? String(input.size) : null
}
