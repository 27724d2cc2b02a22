import { EmbedderError } from './errors.js'
import { type Answer, createExcerpt, errorFromStatus, readVectors } from './openai-response.js'
import type { OpenAiOptions } from './options.js'

/** One try of one batch: the vectors of the texts, or an `EmbedderError`, or the signal's reason. */
export type SendBatch = (
  texts: readonly string[],
  dimension: number | undefined,
  signal: AbortSignal,
) => Promise<Float32Array[]>

export function createSendBatch(options: OpenAiOptions, now: () => number): SendBatch {
  const url = embeddingsUrl(options.baseUrl)
  const excerpt = createExcerpt(options.apiKey)
  return async (texts, dimension, signal) => {
    const timeout = AbortSignal.timeout(options.requestTimeoutMs)
    try {
      const request = requestOf(texts, options)
      // following a redirect would turn the POST into a GET, and 3xx is easier to understand
      const init = { ...request, redirect: 'manual', signal: AbortSignal.any([signal, timeout]) } as const
      const response = await fetch(url, init)
      const { status } = response
      const retryAfter = response.headers.get('retry-after')
      const answer: Answer = { status, retryAfter, body: await response.text(), excerpt }
      if (!response.ok) throw errorFromStatus(answer, now())
      return readVectors(answer, texts.length, dimension)
    } catch (error) {
      if (error instanceof EmbedderError) throw error
      signal.throwIfAborted()
      throw errorFromFetch(error, url, timeout.aborted ? options.requestTimeoutMs : undefined)
    }
  }
}

/** Keeps a query string, which some gateways want: `https://host/v1?api-version=2`. */
function embeddingsUrl(baseUrl: string): URL {
  const url = new URL(baseUrl)
  url.pathname = url.pathname.replace(/\/*$/, '/embeddings')
  return url
}

function requestOf(texts: readonly string[], { model, apiKey, dimension, sendDimension }: OpenAiOptions) {
  return {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'application/json',
      ...(apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` }),
    },
    body: JSON.stringify({
      model,
      input: texts,
      encoding_format: 'float',
      ...(sendDimension ? { dimensions: dimension } : {}),
    }),
  }
}

function errorFromFetch(cause: unknown, url: URL, timeoutMs: number | undefined): EmbedderError {
  // the path and query of an address may hold secrets of a gateway
  const where = url.origin
  if (timeoutMs !== undefined) {
    const problem = `expected an answer from ${where} within ${timeoutMs} ms, got none`
    return new EmbedderError('REQUEST_TIMEOUT', problem, { cause })
  }
  const problem = `expected an answer from ${where}, got ${reasonOf(cause)}`
  return new EmbedderError('ENDPOINT_UNREACHABLE', problem, { cause })
}

/** fetch says only "fetch failed"; what happened is in the cause. */
function reasonOf(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
  if (!(cause instanceof Error)) return String(cause)
  return 'code' in cause && typeof cause.code === 'string' ? cause.code : cause.message
}
