import { STATUS_CODES } from 'node:http'
import { type ErrorCode, type Fault, WorkerError, isWorkerError, remedyOf } from '@mcp-worker/runtime'
import { z } from 'zod'

/** Errors of HTTP itself, beside those of the runtime: code → status and remedy. */
const OF_HTTP = {
  bad_json: { status: 400, remedy: 'Send valid JSON in UTF-8; larger integers as strings.' },
  bad_request: { status: 400, remedy: 'Send a well-formed HTTP/1.1 request.' },
  invalid_parameter: { status: 400, remedy: 'Mend the query parameter or header as the faults say.' },
  unauthorised: { status: 401, remedy: 'Send a known token: `Authorization: Bearer …`.' },
  forbidden: { status: 403, remedy: 'Use a token that has the scope named in the details.' },
  host_refused: { status: 403, remedy: 'Call it by a loopback name, or add the host to API_ALLOWED_HOSTS.' },
  origin_refused: { status: 403, remedy: 'Add the host of the page to API_ALLOWED_HOSTS if it is yours.' },
  no_such_route: { status: 404, remedy: 'GET /openapi.json lists all routes.' },
  method_not_allowed: { status: 405, remedy: 'Use one of the methods named in Allow.' },
  request_timeout: {
    status: 408,
    remedy: 'Send the headers within 10 seconds, the whole request within 30.',
  },
  body_too_large: { status: 413, remedy: 'Send at most 4 MiB; put large data elsewhere and refer to it.' },
  unsupported_media_type: { status: 415, remedy: 'Send `Content-Type: application/json`, not compressed.' },
  headers_too_large: { status: 431, remedy: 'Send at most 16 KiB of headers.' },
  internal: { status: 500, remedy: 'A defect of the service: see its log, event `api_error`.' },
} as const

export type HttpErrorCode = keyof typeof OF_HTTP
export type ApiErrorCode = ErrorCode | HttpErrorCode

/** Status of the runtime's codes; null: it tells how a delivery or a start went and is never the answer to a request. */
const OF_RUNTIME: Readonly<Record<ErrorCode, number | null>> = {
  unknown_type: 422,
  unknown_version: 422,
  invalid_payload: 422,
  invalid_task: 422,
  payload_too_large: 413,
  payload_too_deep: 422,
  forbidden_key: 422,
  id_conflict: 409,
  idempotency_conflict: 409,
  queue_full: 429,
  draining: 503,
  store_unavailable: 503,
  outcome_unknown: 503,
  storage_full: 507,
  store_failed: 503,
  store_newer: null,
  network_file_system: null,
  pragma_refused: null,
  queue_closed: null,
  bad_cursor: 400,
  not_found: 404,
  already_final: 409,
  not_replayable: 409,
  unknown_query: 404,
  invalid_input: 422,
  query_refused: 422,
  query_failed: 503,
  handshake_failed: null,
  bad_configuration: null,
  handler_failed: null,
  timed_out: 503,
  invalid_result: null,
  result_too_large: 503,
  host_crashed: 503,
  worker_crashed: null,
  corrupt: null,
  expired: null,
  cancelled: null,
  lease_lost: null,
  service_unavailable: 503,
  aborted: 503,
}

/** Every code with its status and remedy; docs/errors.md is tested against it. */
export const PROBLEMS: Readonly<
  Record<ApiErrorCode, { readonly status: number | null; readonly remedy: string }>
> = {
  ...OF_HTTP,
  ...(Object.fromEntries(
    Object.entries(OF_RUNTIME).map(([code, status]) => [
      code,
      { status, remedy: remedyOf(code as ErrorCode) },
    ]),
  ) as Record<ErrorCode, { status: number | null; remedy: string }>),
}

interface ApiErrorOptions {
  readonly faults?: readonly Fault[]
  readonly details?: Readonly<Record<string, unknown>>
  readonly headers?: Readonly<Record<string, string>>
}

/** An answer that is an error of HTTP. */
export class ApiError extends Error {
  override readonly name = 'ApiError'
  readonly code: HttpErrorCode
  readonly faults: readonly Fault[]
  readonly details: Readonly<Record<string, unknown>>
  readonly headers: Readonly<Record<string, string>>

  constructor(code: HttpErrorCode, message: string, options: ApiErrorOptions = {}) {
    super(message)
    this.code = code
    this.faults = options.faults ?? []
    this.details = options.details ?? {}
    this.headers = options.headers ?? {}
  }
}

/** RFC 9457, with the stable `code`. Facts for the caller (the id to retry with, the known types) stand beside these members. */
export const problemSchema = z
  .looseObject({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    code: z.string().describe('Stable; docs/errors.md lists all'),
    remedy: z.string(),
    faults: z
      .array(z.object({ path: z.string(), message: z.string() }))
      .optional()
      .describe('One for each thing that is wrong; `path` is a JSON path without `$`'),
  })
  .meta({ id: 'Problem' })

export interface Problem {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: z.output<typeof problemSchema>
}

/** Why held requests end with the service. To a caller it does not matter that the queue closes a moment before the server does. */
export const SHUT_DOWN = new WorkerError('draining', 'the worker has shut down', { retryAfterMs: 5_000 })

/** The answer to an error of any kind. What nobody foresaw is `internal`, and says nothing about its cause. */
export function problemOf(error: unknown): Problem {
  if (error instanceof ApiError) {
    return problem(error.code, OF_HTTP[error.code].status, error.message, error, error.headers)
  }
  if (isWorkerError(error)) {
    if (error.code === 'queue_closed') return problemOf(SHUT_DOWN)
    const status = OF_RUNTIME[error.code]
    if (status !== null && status !== undefined) {
      return problem(error.code, status, error.message, error, retryAfter(status, error.retryAfterMs))
    }
  }
  const framework = ofFramework(error)
  if (framework !== null) return problemOf(framework)
  return problem('internal', 500, 'something went wrong inside the service', { faults: [], details: {} }, {})
}

function problem(
  code: ApiErrorCode,
  status: number,
  detail: string,
  facts: { readonly faults: readonly Fault[]; readonly details: Readonly<Record<string, unknown>> },
  headers: Readonly<Record<string, string>>,
): Problem {
  const body = {
    ...facts.details,
    type: `urn:mcp-worker:error:${code}`,
    title: STATUS_CODES[status] ?? 'Error',
    status,
    detail,
    code,
    remedy: PROBLEMS[code].remedy,
    ...(facts.faults.length > 0 && { faults: facts.faults.slice(0, 100).map((one) => ({ ...one })) }),
  }
  return { status, headers, body }
}

/** 429 and 503 say when to come again; a second where nobody knows better. */
function retryAfter(status: number, retryAfterMs: number | null): Record<string, string> {
  if (status !== 429 && status !== 503) return {}
  return { 'retry-after': String(Math.max(1, Math.ceil((retryAfterMs ?? 1_000) / 1_000))) }
}

const FASTIFY: Readonly<Record<string, HttpErrorCode>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: 'body_too_large',
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'unsupported_media_type',
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: 'bad_request',
  FST_ERR_CTP_EMPTY_JSON_BODY: 'bad_json',
  FST_ERR_BAD_URL: 'bad_request',
  FST_ERR_MAX_PARAM_LENGTH: 'no_such_route',
}

/** What Fastify itself refuses, by its codes; other client errors of its are `bad_request`. */
function ofFramework(error: unknown): ApiError | null {
  if (!(error instanceof Error) || !('code' in error)) return null
  const known = FASTIFY[String(error.code)]
  if (known !== undefined) return new ApiError(known, error.message)
  const status = 'statusCode' in error ? error.statusCode : null
  const isClients = typeof status === 'number' && status >= 400 && status < 500
  return isClients ? new ApiError('bad_request', error.message) : null
}
