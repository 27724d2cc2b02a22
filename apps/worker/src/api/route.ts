import type { IncomingHttpHeaders } from 'node:http'
import { WorkerError, type Fault } from '@mcp-worker/runtime'
import type { z } from 'zod'
import { check } from '../faults.js'
import type { Principal } from './authorise.js'
import { ApiError } from './problem.js'

/** JSON text that is sent as it is. */
export class RawJson {
  readonly text: string

  constructor(text: string) {
    this.text = text
  }
}

/** Text that is sent as it comes, as server-sent events. */
export class EventStream {
  readonly chunks: AsyncIterable<string>

  constructor(chunks: AsyncIterable<string>) {
    this.chunks = chunks
  }
}

export interface ApiRequest<P, Q, B> {
  readonly principal: Principal
  readonly params: P
  readonly query: Q
  readonly body: B
  readonly headers: IncomingHttpHeaders
  /** Aborts when the client goes away or the server closes. */
  readonly signal: AbortSignal
}

export interface ApiAnswer {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body: unknown
}

export interface Answer {
  readonly description: string
  /** None: there is no body. */
  readonly schema?: z.ZodType
  /** Default `application/json`. */
  readonly contentType?: string
}

/** A route and its documentation: requests are checked by, and OpenAPI is made from, the same schemas. */
export interface Route {
  readonly method: 'GET' | 'POST'
  /** In OpenAPI's spelling: `/tasks/{id}`. */
  readonly path: string
  readonly operationId: string
  readonly summary: string
  /** Said in the documentation; `handle` requires it. */
  readonly scope: string
  readonly params: z.ZodObject | null
  readonly query: z.ZodObject | null
  readonly headers: z.ZodObject | null
  readonly body: z.ZodType | null
  readonly answers: Readonly<Record<number, Answer>>
  /** Statuses of the problems that it may answer beside 400, 401, 403 and 503. */
  readonly problems: readonly number[]
  readonly handle: (request: ApiRequest<unknown, unknown, unknown>) => Promise<ApiAnswer>
}

interface RouteSpec<
  P extends z.ZodObject,
  Q extends z.ZodObject,
  H extends z.ZodObject,
  B extends z.ZodType,
> extends Omit<Route, 'params' | 'query' | 'headers' | 'body' | 'handle' | 'problems'> {
  readonly params?: P
  readonly query?: Q
  /** Those that the route reads, in lower case. */
  readonly headers?: H
  readonly body?: B
  readonly problems?: readonly number[]
  readonly handle: (
    request: Omit<ApiRequest<z.output<P>, z.output<Q>, z.output<B>>, 'headers'> & {
      readonly headers: z.output<H>
    },
  ) => Promise<ApiAnswer>
}

/** Checks what comes in by the schemas before `handle` is called. */
export function route<
  P extends z.ZodObject = z.ZodObject,
  Q extends z.ZodObject = z.ZodObject,
  H extends z.ZodObject = z.ZodObject,
  B extends z.ZodType = z.ZodUndefined,
>(spec: RouteSpec<P, Q, H, B>): Route {
  const { params = null, query = null, headers = null, body = null } = spec
  return {
    ...spec,
    params,
    query,
    headers,
    body,
    problems: spec.problems ?? [],
    handle: async (request) =>
      spec.handle({
        ...request,
        params: checked(params, request.params, notFound) as z.output<P>,
        query: checked(query, request.query, badParameter) as z.output<Q>,
        headers: checked(headers, request.headers, badParameter) as z.output<H>,
        body: checked(body, request.body, badTask) as z.output<B>,
      }),
  }
}

type Refusal = (faults: readonly Fault[]) => Error

function checked(schema: z.ZodType | null, value: unknown, refuse: Refusal): unknown {
  if (schema === null) return undefined
  const read = check(schema, value)
  if ('faults' in read) throw refuse(read.faults)
  return read.data
}

const badParameter: Refusal = (faults) =>
  new ApiError('invalid_parameter', 'a parameter is not accepted', { faults })

const badTask: Refusal = (faults) => new WorkerError('invalid_task', 'the body is not accepted', { faults })

/** An id that cannot exist is an id that does not exist. */
const notFound: Refusal = () => new WorkerError('not_found', 'there is nothing with this name')
