import { randomUUID } from 'node:crypto'
import { describeFaults, KEEP_INPUT, scanJson } from '@mcp-worker/runtime'
import type { DocumentFault } from './faults.js'
import type { JsonElement } from './json-elements.js'
import {
  type DocumentInput,
  documentSchema,
  documentUpdateSchema,
  MAX_DIMENSION,
  newDocument,
  type WritePayload,
} from './payload.js'

/** A document, or what is wrong with its form. */
export type ParsedDocument =
  | { readonly document: DocumentInput }
  | { readonly fault: DocumentFault; readonly detail?: string }

/** One element of a file of documents. */
export function parseDocument(element: JsonElement, operation: WritePayload['operation']): ParsedDocument {
  if ('fault' in element) return { fault: element.fault, detail: element.detail }
  const document = parseApart(element.text, operation)
  return document === null ? parseWhole(element.text, operation) : { document }
}

export function withText(given: string | DocumentInput): DocumentInput {
  return typeof given === 'string' ? { text: given } : given
}

function schemaOf(operation: WritePayload['operation']) {
  return operation === 'update' ? documentUpdateSchema : documentSchema
}

function parseWhole(json: string, operation: WritePayload['operation']): ParsedDocument {
  let value: unknown
  try {
    scanJson(json)
    value = JSON.parse(json)
  } catch (error) {
    const fault = error instanceof SyntaxError ? 'INVALID_JSON' : 'INVALID_DOCUMENT'
    return { fault, detail: error instanceof Error ? shortened(error.message) : String(error) }
  }
  const parsed = schemaOf(operation).safeParse(value)
  if (parsed.success) return { document: withText(parsed.data) }
  return {
    fault: hasInfinity(value) ? 'NON_FINITE_VECTOR' : 'INVALID_DOCUMENT',
    detail: describe(value, operation),
  }
}

const MAX_DETAIL = 200

/** Without the line and column of JSON.parse, which counts from the beginning of the element. */
function shortened(message: string): string {
  return message
    .replace(/ \(line \d+ column \d+\)/, '')
    .replaceAll(/\p{Cc}/gu, ' ')
    .slice(0, MAX_DETAIL)
}

/** Names all that is wrong. */
function describe(value: unknown, operation: WritePayload['operation']): string {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    const came = Array.isArray(value) ? 'array' : value === null ? 'null' : typeof value
    return `expected an object${operation === 'update' ? '' : ' or a text'}, got ${came}`
  }
  const { error } = (operation === 'update' ? documentUpdateSchema : newDocument).safeParse(value, KEEP_INPUT)
  const faults = error === undefined ? [] : describeFaults(error)
  return shortened(
    faults.map(({ path, message }) => (path === '' ? message : `${path}: ${message}`)).join('; '),
  )
}

/** JSON has no NaN, but a number like 1e999 reads as infinity. */
function hasInfinity(value: unknown): boolean {
  const vector: unknown =
    typeof value === 'object' && value !== null && 'vector' in value ? value.vector : null
  return Array.isArray(vector) && vector.some((part) => typeof part === 'number' && !Number.isFinite(part))
}

const VECTOR_KEY = '"vector"'
/** Stands in a text where its vector was. Nobody can have written it there before. */
const MARK = randomUUID()
const ANY_VECTOR: readonly number[] = [1]

/**
 * As `parseWhole` has it, for a document with a good vector: its numbers are nearly all of the text, and reading them apart spares them the scan and the
 * schema, which takes half of the time. null: it is not such a document, or it needs a closer look.
 */
function parseApart(json: string, operation: WritePayload['operation']): DocumentInput | null {
  const key = json.indexOf(VECTOR_KEY)
  const start = key === -1 ? -1 : json.indexOf('[', key + VECTOR_KEY.length)
  const end = start === -1 ? -1 : json.indexOf(']', start)
  if (end === -1) return null
  try {
    const rest = `${json.slice(0, start)}"${MARK}"${json.slice(end + 1)}`
    scanJson(rest)
    const value: unknown = JSON.parse(rest)
    // so the brackets were those of this field, and not of a text or of the metadata
    if (typeof value !== 'object' || value === null || !('vector' in value) || value.vector !== MARK)
      return null
    const parsed = schemaOf(operation).safeParse({ ...value, vector: ANY_VECTOR })
    const vector = parsed.success ? numbersIn(json.slice(start, end + 1)) : null
    return parsed.success && vector !== null ? { ...withText(parsed.data), vector } : null
  } catch {
    return null
  }
}

function numbersIn(json: string): number[] | null {
  const list: unknown = JSON.parse(json)
  return Array.isArray(list) && list.length > 0 && list.length <= MAX_DIMENSION && list.every(Number.isFinite)
    ? list
    : null
}
