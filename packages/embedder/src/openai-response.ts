import { scaleToUnitLength } from './embedder.js'
import { EmbedderError } from './errors.js'
import { parseRetryAfter } from './retry.js'

const excerptCharacters = 300
const retryableStatuses = new Set([408, 425, 500, 502, 503, 504, 520, 522, 524, 529])

export interface Answer {
  status: number
  retryAfter: string | null
  body: string
  /** The start of the body, or of another text that came from the server, without secrets: fit for a message. */
  excerpt: (text: string) => string
}

/** The error for an answer other than 2xx. */
export function errorFromStatus({ status, retryAfter, body, excerpt }: Answer, now: number): EmbedderError {
  const problem = `expected the embeddings, got HTTP ${status}: ${excerpt(body)}`
  const retryAfterMs = parseRetryAfter(retryAfter, now)
  if (status === 429) {
    // OpenAI answers 429 for an empty account too, and no waiting helps against that
    if (body.includes('insufficient_quota')) return new EmbedderError('QUOTA_EXHAUSTED', problem)
    return new EmbedderError('RATE_LIMITED', problem, { retryAfterMs })
  }
  if (retryableStatuses.has(status)) return new EmbedderError('ENDPOINT_FAILED', problem, { retryAfterMs })
  return new EmbedderError('REQUEST_REFUSED', problem)
}

/**
 * The vectors of an answer in the order of the texts, whatever the order of the answer, each of unit length.
 * @param dimension what each vector must have; undefined takes what comes, as long as it is the same for all
 */
export function readVectors(answer: Answer, count: number, dimension: number | undefined): Float32Array[] {
  const items = readItems(answer)
  if (items.length !== count) throw invalid(`expected ${count} vectors, got ${items.length}`)
  const vectors = new Map<number, Float32Array>()
  let expected = dimension
  for (const item of items) {
    const { index, vector } = readItem(item, count)
    if (vectors.has(index)) throw invalid(`expected one vector for text ${index} of the request, got two`)
    expected ??= vector.length
    if (vector.length !== expected) {
      const problem = `expected vectors of ${expected} components, got one of ${vector.length}`
      throw new EmbedderError('DIMENSION_MISMATCH', problem)
    }
    if (!scaleToUnitLength(vector)) {
      throw invalid(`expected finite numbers that are not all 0 for text ${index} of the request, got others`)
    }
    vectors.set(index, vector)
  }
  // each index is below the count and none came twice, so all are there
  return [...vectors].toSorted(([a], [b]) => a - b).map(([, vector]) => vector)
}

function readItems({ body, excerpt }: Answer): unknown[] {
  let json: unknown
  try {
    json = JSON.parse(body)
  } catch {
    // Python's own writer puts NaN into JSON; the same text would give it again
    const number = /[[,]\s*(NaN|-?Infinity)\b/.exec(body)?.[1]
    if (number !== undefined) throw invalid(`expected finite numbers, got ${number}`)
    // not as the cause: the parser's message quotes the body, secrets and all
    throw new EmbedderError(
      'RESPONSE_UNREADABLE',
      `expected JSON, got ${body.length} characters: ${excerpt(body)}`,
    )
  }
  const data = isRecord(json) ? json['data'] : undefined
  if (!Array.isArray(data)) throw invalid(`expected a list as \`data\`, got ${excerpt(body)}`)
  return data as unknown[]
}

function readItem(item: unknown, count: number): { index: number; vector: Float32Array } {
  const { index, embedding } = isRecord(item) ? item : {}
  if (typeof index !== 'number' || !Number.isInteger(index) || index < 0 || index >= count) {
    throw invalid(`expected an \`index\` from 0 to ${count - 1}, got ${describe(index)}`)
  }
  if (!Array.isArray(embedding) || !embedding.every((value) => typeof value === 'number')) {
    throw invalid(
      `expected a list of numbers as \`embedding\` of text ${index} of the request, got ${describe(embedding)}`,
    )
  }
  return { index, vector: Float32Array.from(embedding) }
}

function invalid(problem: string): EmbedderError {
  return new EmbedderError('RESPONSE_INVALID', problem)
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}

function describe(value: unknown): string {
  return typeof value === 'number' ? String(value) : typeof value
}

/** Makes `Answer.excerpt`: white space folded, the secret blacked out, the rest cut off. */
export function createExcerpt(secret: string | undefined): (text: string) => string {
  return (text) => {
    const shown = secret === undefined ? text : text.replaceAll(secret, '[redacted]')
    const line = shown.replaceAll(/\s+/g, ' ').trim()
    if (line === '') return 'an empty body'
    return line.length <= excerptCharacters ? line : `${line.slice(0, excerptCharacters)}…`
  }
}
