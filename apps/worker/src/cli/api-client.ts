import type { z } from 'zod'
import type { problemSchema } from '../api/problem.js'
import type { acceptedSchema, taskSchema, taskSummarySchema } from '../api/task-json.js'
import type { RawEnvironment } from '../environment.js'

export type TaskJson = z.output<typeof taskSchema>
export type TaskSummaryJson = z.output<typeof taskSummarySchema>
export type AcceptedJson = z.output<typeof acceptedSchema>
type ProblemJson = z.output<typeof problemSchema>

/** The service refused. */
export class RefusedError extends Error {
  override readonly name = 'RefusedError'
  readonly problem: ProblemJson

  constructor(problem: ProblemJson) {
    super(problem.detail)
    this.problem = problem
  }
}

/** The service does not answer. */
export class UnreachableError extends Error {
  override readonly name = 'UnreachableError'
}

type QueryParameters = Readonly<Record<string, string | undefined>>

export interface ApiClient {
  get<T>(path: string, query?: QueryParameters, signal?: AbortSignal): Promise<T>
  /** `body` is JSON text. */
  post<T>(path: string, body: string | null, headers?: Readonly<Record<string, string>>): Promise<T>
}

/** Talks to the API at MCP_WORKER_URL (default `http://127.0.0.1:8000`) with API_TOKEN, if set. */
export function createApiClient(env: RawEnvironment): ApiClient {
  const base = env['MCP_WORKER_URL'] || 'http://127.0.0.1:8000'
  const token = env['API_TOKEN']
  const call = async (url: URL, init: RequestInit): Promise<unknown> => {
    const headers = new Headers(init.headers)
    if (token) headers.set('authorization', `Bearer ${token}`)
    const response = await fetch(url, { ...init, headers }).catch((cause: unknown) => {
      if (init.signal?.aborted === true) throw cause
      const why = reasonOf(cause)
      throw new UnreachableError(
        `nothing answers at ${base}${why}: is the worker running? (MCP_WORKER_URL)`,
        { cause },
      )
    })
    const answer = await readJson(response, base)
    if (response.ok) return answer
    throw new RefusedError(answer as ProblemJson)
  }
  return {
    get: async <T>(path: string, query: QueryParameters = {}, signal?: AbortSignal) => {
      const url = urlOf(base, path)
      for (const [name, value] of Object.entries(query)) {
        if (value !== undefined) url.searchParams.set(name, value)
      }
      return (await call(url, signal === undefined ? {} : { signal })) as T
    },
    post: async <T>(path: string, body: string | null, headers = {}) => {
      const type = body === null ? {} : { 'content-type': 'application/json' }
      return (await call(urlOf(base, path), { method: 'POST', body, headers: { ...headers, ...type } })) as T
    },
  }
}

/** `fetch failed` has its reason (refused, no such name, no TLS there) in its cause. */
function reasonOf(error: unknown): string {
  const cause = error instanceof Error ? error.cause : null
  if (!(cause instanceof Error)) return ''
  return ` (${'code' in cause ? String(cause.code) : cause.message})`
}

function urlOf(base: string, path: string): URL {
  const url = `${base.replace(/\/+$/, '')}${path}`
  if (!URL.canParse(url))
    throw new UnreachableError(`MCP_WORKER_URL is ${JSON.stringify(base)}, expected http://host:port`)
  return new URL(url)
}

async function readJson(response: Response, base: string): Promise<unknown> {
  try {
    return await response.json()
  } catch (cause) {
    throw new UnreachableError(`${base} answered ${response.status} without JSON: is it an MCP Worker?`, {
      cause,
    })
  }
}
