import type { HealthReport, Worker } from '@mcp-worker/runtime'
import type { FastifyInstance } from 'fastify'
import type { Logger } from 'pino'
import { createOriginCheck } from './api/origin.js'
import { isoTime } from './api/task-json.js'
import { createHttpServer } from './http-server.js'

export interface MetricsServerOptions {
  readonly worker: Worker
  readonly allowedHosts: readonly string[]
  readonly log: Logger
}

/** `/metrics`, `/livez`, `/readyz` and `/health`, without a token, not listening yet. */
export function createMetricsServer({ worker, allowedHosts, log }: MetricsServerOptions): FastifyInstance {
  const app = createHttpServer(log)
  const checkOrigin = createOriginCheck(allowedHosts)
  app.addHook('onRequest', (request, _reply, done) => {
    const { host, origin } = request.headers
    checkOrigin({ host, origin, localAddress: request.socket.localAddress })
    done()
  })
  app.get('/metrics', async (_request, reply) =>
    reply.type(worker.registry.contentType).send(await worker.registry.metrics()),
  )
  // that this is answered says that the loop turns; a blocked one answers nothing
  app.get('/livez', async () => ({ status: 'alive' }))
  app.get('/readyz', async (_request, reply) => {
    const reasons = worker.notReady()
    return reply
      .code(reasons.length === 0 ? 200 : 503)
      .send({ status: reasons.length === 0 ? 'ready' : 'not_ready', reasons })
  })
  app.get('/health', async (_request, reply) => {
    const report = worker.lastHealth()
    return reply.code(report?.ok === true ? 200 : 503).send(healthJson(report))
  })
  return app
}

function healthJson(report: HealthReport | null): unknown {
  if (report === null) return { status: 'unknown', checked_at: null, checks: [] }
  return {
    status: report.ok ? 'healthy' : 'unhealthy',
    checked_at: isoTime(report.checkedAt),
    checks: report.checks,
  }
}
