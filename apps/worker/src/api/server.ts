import { Readable } from 'node:stream'
import type { Worker } from '@mcp-worker/runtime'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Logger } from 'pino'
import type { Token } from '../configuration.js'
import { createHttpServer } from '../http-server.js'
import { type Principal, createAuthenticator } from './authorise.js'
import { openApiRoute } from './openapi.js'
import { createOriginCheck } from './origin.js'
import { queryRoutes } from './queries.js'
import { type ApiAnswer, EventStream, RawJson, type Route } from './route.js'
import { scheduleRoutes } from './schedules.js'
import { taskRoutes } from './tasks.js'
import { typeRoutes } from './types.js'

declare module 'fastify' {
  interface FastifyRequest {
    principal: Principal | null
  }
}

export interface ApiOptions {
  readonly worker: Worker
  /** False: it only accepts them (WORKER_ROLE api). */
  readonly runsTasks: boolean
  readonly tokens: readonly Token[]
  readonly allowedHosts: readonly string[]
  readonly version: string
  readonly log: Logger
  /** Aborted when the service closes: held answers (`wait`) are given at once, queries under way are answered with its reason. */
  readonly closing: AbortSignal
}

export interface Api {
  readonly app: FastifyInstance
  readonly routes: readonly Route[]
}

/** The API, not listening yet. */
export function createApi(options: ApiOptions): Api {
  const { worker, log } = options
  const app = createHttpServer(log)
  guard(app, options)
  const others = [typeRoutes, scheduleRoutes, queryRoutes].flatMap((routes) => routes(worker))
  const about = [...taskRoutes(worker, options.runsTasks), ...others]
  const routes = [...about, openApiRoute(worker, options.version, about)]
  for (const one of routes) register(app, one, options)
  app.addHook('onResponse', (request, reply, done) => {
    const route = request.routeOptions.url ?? null
    const duration = reply.elapsedTime / 1_000
    log.debug({ method: request.method, route, status: reply.statusCode, duration }, 'api_request')
    done()
  })
  return { app, routes }
}

/** Before the body is read: whose page calls, and who asks. */
function guard(app: FastifyInstance, { tokens, allowedHosts }: ApiOptions): void {
  const checkOrigin = createOriginCheck(allowedHosts)
  const authenticate = createAuthenticator(tokens)
  app.decorateRequest('principal', null)
  app.addHook('onRequest', (request, _reply, done) => {
    const { host, origin, authorization } = request.headers
    if (tokens.length === 0) checkOrigin({ host, origin, localAddress: request.socket.localAddress })
    request.principal = authenticate(authorization)
    done()
  })
}

function register(app: FastifyInstance, one: Route, { closing, log }: ApiOptions): void {
  app.route({
    method: one.method,
    url: one.path.replaceAll(/\{(\w+)\}/g, ':$1'),
    handler: async (request, reply) => {
      const gone = clientGone(reply)
      try {
        const answer = await one.handle({
          principal: principalOf(request),
          params: request.params,
          query: request.query,
          body: request.body,
          headers: request.headers,
          signal: AbortSignal.any([gone, closing]),
        })
        return send(reply, answer)
      } catch (error) {
        if (gone.aborted) return reply.hijack()
        throw error
      } finally {
        if (gone.aborted) log.debug({ method: one.method, route: one.path }, 'api_client_gone')
      }
    },
  })
}

/** Aborts when the connection closes before the answer is out. Fastify's own `request.signal` aborts as soon as the body has been read. */
function clientGone(reply: FastifyReply): AbortSignal {
  const controller = new AbortController()
  reply.raw.once('close', () => {
    if (!reply.raw.writableFinished) controller.abort()
  })
  return controller.signal
}

function principalOf(request: FastifyRequest): Principal {
  if (request.principal === null) throw new Error('the request was not authenticated')
  return request.principal
}

function send(reply: FastifyReply, answer: ApiAnswer): FastifyReply {
  reply
    .code(answer.status)
    .headers(answer.headers ?? {})
    .header('cache-control', 'no-store')
  if (answer.body instanceof EventStream) return sendEvents(reply, answer.body)
  if (answer.status === 204) return reply.send()
  const text = answer.body instanceof RawJson ? answer.body.text : JSON.stringify(answer.body)
  return reply
    .type('application/json; charset=utf-8')
    .serializer((value: unknown) => value as string)
    .send(text)
}

function sendEvents(reply: FastifyReply, { chunks }: EventStream): FastifyReply {
  // nginx, and what speaks its language, would gather events until a buffer is full
  reply.type('text/event-stream').header('x-accel-buffering', 'no')
  // of a HEAD nobody reads the stream, and nothing would end it before its task
  return reply.request.method === 'HEAD' ? reply.send('') : reply.send(Readable.from(chunks))
}
