import { resolve } from 'node:path'
import { createWorker, isWorkerError, type Worker } from '@mcp-worker/runtime'
import type { FastifyInstance } from 'fastify'
import type { Logger } from 'pino'
import { collectDefaultMetrics } from 'prom-client'
import { SHUT_DOWN } from './api/problem.js'
import { createApi } from './api/server.js'
import { type Configuration, readConfiguration, watchedPaths } from './configuration.js'
import type { RawEnvironment } from './environment.js'
import { createDeferred } from './deferred.js'
import { EXIT, SIGNAL_EXIT, type StopSignal, exitCodeOfStart } from './exit-codes.js'
import { closeHttpServer } from './http-server.js'
import { type Listening, listen } from './listen.js'
import { createMetricsServer } from './metrics-server.js'
import { startDebugReports } from './debug-reports.js'
import { describeStartFailure } from './start-failure.js'
import { createServiceLog } from './log.js'
import { createQueue } from './store.js'

/** The process around the service, as main.ts knows it. */
export interface Surroundings {
  readonly env: RawEnvironment
  readonly cwd: string
  readonly version: string
  readonly printError: (text: string) => void
  /** Ends the process now. */
  readonly exit: (code: number) => never
  readonly onSignal: (listener: (signal: StopSignal) => void) => void
  readonly resourceUse: () => Readonly<Record<string, number>>
  /** Told the files and folders whose change should restart the service. */
  readonly watch: (paths: readonly string[]) => void
}

/** What is left of SHUTDOWN_TIMEOUT + 1 s for the servers, when the worker has used all of its own. */
const CLOSE_GRACE_MS = 400
const LAST_RESORT_MS = 900

/** A service from its start to its end. Resolves with the exit code of the process. */
export async function runService(around: Surroundings): Promise<number> {
  const stops = listenForStops(around)
  try {
    // a file of the operator's is code, and may take its time
    const read = readConfiguration(around.env, around.cwd)
    const configuration = await Promise.race([read, stops.signal.then(() => null)])
    if (configuration === null) return EXIT.ok
    const { log, flush } = createServiceLog(configuration.environment)
    for (const one of configuration.suspects) log.warn(one, 'unknown_variable')
    around.watch(watchedPaths(configuration, around.cwd))
    const service = await compose(configuration, around, log, stops.onFatal)
    const code = await live(service, configuration.environment.SHUTDOWN_TIMEOUT, stops, around, log)
    await flush()
    return code
  } catch (error) {
    around.printError(describeStartFailure(error))
    return exitCodeOfStart(error)
  }
}

interface Stops {
  readonly signal: Promise<StopSignal>
  readonly fatal: Promise<'fatal'>
  readonly onFatal: (error: Error) => void
  /** What made the store untrustworthy. */
  readonly cause: () => Error | null
}

function listenForStops(around: Surroundings): Stops {
  const signalled = createDeferred<StopSignal>()
  const failed = createDeferred<'fatal'>()
  let seen = 0
  let cause: Error | null = null
  around.onSignal((signal) => {
    seen++
    if (seen === 1) signalled.resolve(signal)
    else around.exit(SIGNAL_EXIT[signal])
  })
  const onFatal = (error: Error) => {
    cause ??= error
    failed.resolve('fatal')
  }
  return { signal: signalled.promise, fatal: failed.promise, onFatal, cause: () => cause }
}

/** From the start to a signal or a fault, and through the shutdown. */
async function live(
  service: Service,
  timeoutMs: number,
  stops: Stops,
  around: Surroundings,
  log: Logger,
): Promise<number> {
  const starting = service.start().then(() => null, toError)
  const started = await Promise.race([starting, stops.signal, stops.fatal])
  if (started instanceof Error) return failStart(service, started, around, log)
  const stop = started ?? (await Promise.race([stops.signal, stops.fatal]))
  const code =
    stop === 'fatal' ? stop : await Promise.race([shutDown(stop, service, timeoutMs, log), stops.fatal])
  if (code !== 'fatal') return code
  // nothing is acknowledged any more; submits under way are told so, with the id to send them again with
  await lastResort(service.closeServers().catch(toError), 0)
  log.error({ outcome: 'store_failed', exit_code: EXIT.storeFault, err: stops.cause() }, 'stopped')
  return EXIT.storeFault
}

interface Service {
  readonly worker: Worker
  start(): Promise<void>
  /** Ends held answers, then closes the servers. */
  closeServers(): Promise<void>
}

async function compose(
  configuration: Configuration,
  around: Surroundings,
  log: Logger,
  onFatal: (error: Error) => void,
): Promise<Service> {
  const { environment, config, tokens, plugins, hosts } = configuration
  const worker: Worker = createWorker({
    plugins,
    hosts,
    queue: await createQueue(configuration, around.cwd),
    role: environment.WORKER_ROLE,
    concurrency: environment.WORKER_CONCURRENCY,
    taskTimeout: environment.TASK_TIMEOUT,
    abortGrace: config.abortGrace,
    healthCheckInterval: environment.HEALTH_CHECK_INTERVAL,
    dataDir: resolve(around.cwd, environment.DATA_DIR),
    limits: {
      leaseMs: config.limits.lease,
      maxCrashes: config.limits.maxCrashes,
      maxWaiting: config.limits.maxWaiting,
      idempotencyTtlMs: config.limits.idempotencyTtl,
    },
    retention: {
      succeeded: retention(config.retention.succeeded),
      failed: retention(config.retention.failed),
    },
    schedules: config.schedules,
    serviceChecks: config.serviceChecks,
    logger: log,
    onFatal,
  })
  // memory, CPU, event loop, garbage collection of this process
  collectDefaultMetrics({ register: worker.registry })
  const closing = new AbortController()
  const allowedHosts = environment.API_ALLOWED_HOSTS
  const metrics = createMetricsServer({ worker, allowedHosts, log })
  const apiOptions = {
    worker,
    runsTasks: environment.WORKER_ROLE !== 'api',
    tokens,
    allowedHosts,
    version: around.version,
    log,
    closing: closing.signal,
  }
  const api = environment.WORKER_ROLE === 'worker' ? null : createApi(apiOptions).app
  const reports = startDebugReports(worker, log, around.resourceUse, environment.HEALTH_CHECK_INTERVAL)
  return {
    worker,
    start: () => startAll(configuration, { worker, metrics, api }, log),
    closeServers: async () => {
      reports.stop()
      closing.abort(SHUT_DOWN)
      const open = [metrics, api].filter((app) => app !== null)
      await Promise.all(open.map((app) => closeHttpServer(app, CLOSE_GRACE_MS)))
    },
  }
}

function retention(given: { readonly maxAge: number; readonly maxCount: number }) {
  return { maxAgeMs: given.maxAge, maxCount: given.maxCount }
}

/** The metrics port first, so that probes see `starting`; the API last, so that nothing is submitted before it can be kept. */
async function startAll(
  { environment }: Configuration,
  parts: { readonly worker: Worker; readonly metrics: FastifyInstance; readonly api: FastifyInstance | null },
  log: Logger,
): Promise<void> {
  const announce = (event: string, at: Listening) => log.info(at, event)
  const { API_HOST, API_PORT, METRICS_HOST, METRICS_PORT } = environment
  announce('metrics_listening', await listen(parts.metrics, METRICS_HOST, METRICS_PORT, 'METRICS'))
  await parts.worker.start()
  if (parts.api !== null) announce('api_listening', await listen(parts.api, API_HOST, API_PORT, 'API'))
}

async function failStart(service: Service, error: Error, around: Surroundings, log: Logger): Promise<number> {
  around.printError(describeStartFailure(error))
  const faults = isWorkerError(error) ? error.faults : []
  log.error({ code: isWorkerError(error) ? error.code : null, faults, err: error }, 'start_failed')
  const undoing = [service.worker.stop({ timeoutMs: 0 }), service.closeServers()]
  await lastResort(Promise.allSettled(undoing), 0)
  return exitCodeOfStart(error)
}

async function shutDown(
  signal: StopSignal,
  service: Service,
  timeoutMs: number,
  log: Logger,
): Promise<number> {
  log.info({ signal, timeout: timeoutMs / 1_000 }, 'stopping')
  const stopping = async () => {
    const outcome = await service.worker.stop({ timeoutMs })
    await service.closeServers()
    return outcome
  }
  const outcome = await lastResort(stopping().catch(toError), timeoutMs)
  if (outcome instanceof Error) log.error({ err: outcome }, 'stop_failed')
  const code = outcome === 'drained' || outcome === 'released' ? EXIT.ok : EXIT.forced
  log.info({ outcome: typeof outcome === 'string' ? outcome : 'forced', exit_code: code }, 'stopped')
  return code
}

/** Null where the work is not done by its time. */
async function lastResort<T>(work: Promise<T>, timeoutMs: number): Promise<T | null> {
  const late = createDeferred<null>()
  const timer = setTimeout(() => late.resolve(null), timeoutMs + LAST_RESORT_MS)
  const first = await Promise.race([work, late.promise])
  clearTimeout(timer)
  return first
}

function toError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error))
}
