import { once } from 'node:events'
import { createServer } from 'node:net'
import { z } from 'zod'
import { firstLine } from '../../config-file.js'
import { fault, type Finding, ok, type Patient, skipped, warning } from './finding.js'

const ANSWER_MS = 5_000

/** Both ports: free, or held by a worker, which is then asked how it is. */
export async function checkPorts({ environment }: Patient): Promise<Finding[]> {
  const { API_HOST, API_PORT, METRICS_HOST, METRICS_PORT, WORKER_ROLE } = environment
  const metrics = await askMetricsPort(METRICS_HOST, METRICS_PORT)
  const api =
    WORKER_ROLE === 'worker'
      ? skipped('api_port', 'WORKER_ROLE is worker: it has no API')
      : await checkPort('api_port', 'API', API_HOST, API_PORT, isApi)
  return [metrics.port, api, metrics.health]
}

async function askMetricsPort(host: string, port: number) {
  const found = await checkPort('metrics_port', 'METRICS', host, port, isMetrics)
  const isWorker = found.status === 'ok' && found.detail.endsWith(HELD)
  const health = isWorker
    ? await checkHealth(host, port)
    : skipped('health', 'no worker answers on the metrics port')
  return { port: found, health }
}

const HELD = 'a worker answers there'

async function checkPort(
  check: 'api_port' | 'metrics_port',
  prefix: 'API' | 'METRICS',
  host: string,
  port: number,
  isOurs: (base: string) => Promise<boolean>,
): Promise<Finding> {
  if (port === 0) return skipped(check, `${prefix}_PORT is 0: any free one`)
  const where = `port ${port} of ${host}`
  const code = await tryToListen(host, port)
  if (code === null) return ok(check, `${where} is free`)
  if (code === 'EADDRINUSE') {
    if (await isOurs(baseOf(host, port))) return ok(check, `${where}: ${HELD}`)
    const remedy = `End the process that holds it (ss -ltnp 'sport = :${port}'), or set ${prefix}_PORT to another one`
    return fault(check, `${where} is in use by something else than a worker`, remedy)
  }
  if (code === 'EACCES') {
    return fault(check, `${where} may not be used by this user`, `Set ${prefix}_PORT to one above 1023`)
  }
  const remedy = `Set ${prefix}_HOST to an address of this machine: 127.0.0.1, or 0.0.0.0 for all`
  return fault(check, `${host} cannot be listened on: ${code}`, remedy)
}

/** Null: it can be had. Else the code of the error. */
async function tryToListen(host: string, port: number): Promise<string | null> {
  const server = createServer()
  try {
    server.listen({ host: bare(host), port, exclusive: true })
    await once(server, 'listening')
    server.close()
    await once(server, 'close')
    return null
  } catch (error) {
    return error instanceof Error && 'code' in error ? String(error.code) : firstLine(error)
  }
}

const bare = (host: string) => host.replaceAll(/^\[|\]$/g, '')

/** Where a worker that listens on this host can be reached from here. */
function baseOf(host: string, port: number): string {
  const name = bare(host)
  const reachable = name === '0.0.0.0' || name === '::' ? '127.0.0.1' : name
  return `http://${reachable.includes(':') ? `[${reachable}]` : reachable}:${port}`
}

async function ask(url: string): Promise<unknown> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(ANSWER_MS) })
    return await response.json()
  } catch {
    return null
  }
}

const alive = z.object({ status: z.literal('alive') })
const problem = z.object({ code: z.enum(['no_such_route', 'unauthorised', 'host_refused']) })
const readiness = z.object({ status: z.string(), reasons: z.array(z.string()) })
const health = z.object({
  status: z.string(),
  checks: z.array(z.object({ name: z.string(), ok: z.boolean(), detail: z.unknown() })),
})

const isMetrics = async (base: string) => alive.safeParse(await ask(`${base}/livez`)).success
const isApi = async (base: string) => problem.safeParse(await ask(`${base}/doctor`)).success

async function checkHealth(host: string, port: number): Promise<Finding> {
  const base = baseOf(host, port)
  const ready = readiness.safeParse(await ask(`${base}/readyz`))
  if (ready.success && ready.data.status !== 'ready') {
    const detail = `the worker is not ready: ${ready.data.reasons.join(', ')}`
    return fault(
      'health',
      detail,
      '`starting` and `draining` pass; for `store` read its log, event store_failed',
    )
  }
  const read = health.safeParse(await ask(`${base}/health`))
  if (!read.success)
    return warning('health', `${base}/health gave no answer`, 'Look at the log of the worker')
  const bad = read.data.checks.filter((one) => !one.ok)
  if (bad.length === 0) return ok('health', `the worker is ready and ${read.data.status}`)
  const detail = bad.map((one) => `${one.name}: ${JSON.stringify(one.detail)}`).join('; ')
  return fault(
    'health',
    detail,
    'Mend what the failed check names; docs/troubleshooting.md has a row for each',
  )
}
