import type { Socket } from 'node:net'
import type { Logger } from 'pino'
import { type FastifyInstance, type FastifyReply, type FastifyRequest, fastify } from 'fastify'
import { MAX_BODY_BYTES, acceptJsonOnly } from './api/json-body.js'
import { ApiError, type HttpErrorCode, problemOf } from './api/problem.js'

/** Bounds on what a client may hold open; docs/configuration.md names them. */
export const HTTP_LIMITS = {
  headersTimeoutMs: 10_000,
  requestTimeoutMs: 30_000,
  keepAliveTimeoutMs: 65_000,
  /** How often Node.js looks for requests past their time. */
  checkIntervalMs: 1_000,
  maxConnections: 1_024,
  maxParamLength: 256,
} as const

/** A server with bounds on everything, that answers every fault as problem+json. */
export function createHttpServer(log: Logger): FastifyInstance {
  const app = fastify({
    logger: false,
    bodyLimit: MAX_BODY_BYTES,
    requestTimeout: HTTP_LIMITS.requestTimeoutMs,
    keepAliveTimeout: HTTP_LIMITS.keepAliveTimeoutMs,
    http: {
      headersTimeout: HTTP_LIMITS.headersTimeoutMs,
      connectionsCheckingInterval: HTTP_LIMITS.checkIntervalMs,
    },
    // reads go on until the connections close
    return503OnClosing: false,
    routerOptions: { maxParamLength: HTTP_LIMITS.maxParamLength },
    clientErrorHandler: answerRaw,
    frameworkErrors: (error, _request, reply) => void sendProblem(reply, error),
  })
  app.server.maxConnections = HTTP_LIMITS.maxConnections
  acceptJsonOnly(app)
  app.setErrorHandler((error, request, reply) => {
    const answered = sendProblem(reply, error)
    if (reply.statusCode === 500) logDefect(log, request, error)
    return answered
  })
  return answerUnknownRoutes(app)
}

/** Closes it; connections that are still in use after `graceMs` are cut. */
export async function closeHttpServer(app: FastifyInstance, graceMs: number): Promise<void> {
  const timer = setTimeout(() => app.server.closeAllConnections(), graceMs)
  await app.close()
  clearTimeout(timer)
}

function sendProblem(reply: FastifyReply, error: unknown): FastifyReply {
  const { status, headers, body } = problemOf(error)
  // Fastify would close at once; then a client that is still sending sees a reset in place of the answer. Node.js reads the rest away, within
  // the time of a request
  if (status === 413) reply.removeHeader('connection')
  return reply
    .code(status)
    .headers(headers)
    .type('application/problem+json')
    .serializer((value: unknown) => JSON.stringify(value))
    .send(body)
}

function logDefect(log: Logger, request: FastifyRequest, error: unknown): void {
  log.error({ method: request.method, route: request.routeOptions.url, err: error }, 'api_error')
}

/** 404, or 405 with `Allow` where the path is known by other methods. */
function answerUnknownRoutes(app: FastifyInstance): FastifyInstance {
  const known: { readonly pattern: RegExp; readonly method: string }[] = []
  app.addHook('onRoute', ({ url, method }) => {
    const pattern = new RegExp(`^${url.replaceAll(/:[a-z]+/g, '[^/]+')}$`)
    for (const one of [method].flat()) known.push({ pattern, method: one })
  })
  app.setNotFoundHandler((request, reply) => {
    const path = request.url.split('?', 1)[0] ?? ''
    const methods = [...new Set(known.filter(({ pattern }) => pattern.test(path)).map((one) => one.method))]
    if (methods.length === 0 || methods.includes(request.method)) {
      return sendProblem(reply, new ApiError('no_such_route', `there is no route ${request.method} ${path}`))
    }
    const allow = methods.join(', ')
    const detail = `${path} answers ${allow}, not ${request.method}`
    return sendProblem(reply, new ApiError('method_not_allowed', detail, { headers: { allow } }))
  })
  return app
}

const OF_PARSER: Readonly<Record<string, HttpErrorCode>> = {
  HPE_HEADER_OVERFLOW: 'headers_too_large',
  ERR_HTTP_REQUEST_TIMEOUT: 'request_timeout',
}

/** Answers what never became a request: malformed, too large, or too slow. */
function answerRaw(error: Error & { code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy()
    return
  }
  const code = OF_PARSER[error.code ?? ''] ?? 'bad_request'
  const { status, body } = problemOf(
    new ApiError(code, `this is not a request that can be read (${error.code ?? 'unknown'})`),
  )
  const text = JSON.stringify(body)
  const head = [
    `HTTP/1.1 ${status} ${body.title}`,
    'content-type: application/problem+json',
    `content-length: ${Buffer.byteLength(text)}`,
    'connection: close',
  ]
  // end() alone would wait for a peer that never closes its side
  socket.end(`${head.join('\r\n')}\r\n\r\n${text}`, () => socket.destroy())
}
