import { mkdirSync } from 'node:fs'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { createClock } from './clock.js'
import { describeQuery, describeType, type QueryInfo, type TypeInfo } from './describe.js'
import { isWorkerError, WorkerError } from './errors.js'
import { handshake } from './handshake.js'
import { checkHealth, type HealthReport } from './health.js'
import { HEALTH_CHECK, healthCheckPlugin } from './health-check-type.js'
import { createKeeper, type Keeper } from './keeper/keeper.js'
import { createLoop } from './loop.js'
import { createMetrics } from './metrics.js'
import { hostPlugins, startPlugins, stopPlugins, type HostedPlugin } from './plugins.js'
import type { QueueDriver } from './queue.js'
import { createRegistry } from './registry.js'
import type { DeliverySurroundings } from './run-delivery.js'
import { shutDown, type StopOutcome } from './shutdown.js'
import {
  acceptedOf,
  allAccepted,
  childTaskId,
  prepareTask,
  prepareTasks,
  type Accepted,
  type Submission,
} from './submit.js'
import { repeat } from './repeat.js'
import { toTaskError } from './task-error.js'
import { createWaits, type Waits } from './wait.js'
import type { Settings } from './worker-options.js'

/** A worker between its start and its stop; `worker.ts` says what each member does. */
export interface RunningWorker {
  readonly queue: QueueDriver
  readonly waits: Waits
  submit(submission: Submission): Promise<Accepted>
  submitMany(submissions: readonly Submission[]): Promise<readonly Accepted[]>
  resultOf(id: string, signal?: AbortSignal): Promise<unknown>
  cancel(id: string): Promise<'cancelled' | 'requested'>
  replay(id: string): Promise<void>
  types(): Promise<readonly TypeInfo[]>
  queries(): readonly QueryInfo[]
  query(name: string, input: unknown, signal?: AbortSignal): Promise<unknown>
  checkHealth(): Promise<HealthReport>
  lastHealth(): HealthReport | null
  notReady(): readonly string[]
  stop(timeoutMs: number): Promise<StopOutcome>
}

const PRUNE_EVERY_MS = 1000
const PRUNE_AT_ONCE = 1000
const OPEN_ENDED_MS = 60_000

/** Handshake → keeper and store → plugins → loop. What was opened is closed again when a later step fails. */
export async function startWorker(settings: Settings): Promise<RunningWorker> {
  const { queue, logger } = settings
  const clock = createClock()
  const checked = handshake(settings.plugins, { hosts: settings.hosts }).plugins
  mkdirSync(settings.dataDir, { recursive: true })
  const metrics = createMetrics(settings.registry, () => sample())
  const keeper = createKeeper({
    clock,
    leaseMs: settings.limits.leaseMs,
    graceMs: settings.graceMs,
    onDeath: (error) => die(error),
  })
  const own = healthCheckPlugin(() => check())
  const hosted = hostPlugins([...checked, { plugin: own, host: 'inline', options: {} }], {
    dataDir: settings.dataDir,
    logger,
    metrics: settings.registry,
  })
  await openAll(settings, {
    keeper,
    clock,
    hosted,
    onCommit: (ms) => metrics.commit.observe(ms / 1000),
    onFatal: (error) => die(error),
  })

  const registry = createRegistry(hosted, {
    timeoutMs: settings.taskTimeoutMs,
    concurrency: settings.concurrency,
  })
  const waits = createWaits(queue)
  const loopDelay = monitorEventLoopDelay({ resolution: 20 })
  loopDelay.enable()
  let health: HealthReport | null = null
  let fatal: Error | null = null
  let forced = false

  function die(error: Error): void {
    if (fatal) return
    fatal = error
    logger.fatal({ error: error.message }, 'store_failed')
    settings.onFatal(error)
  }

  async function check(): Promise<HealthReport> {
    const plugins = hosted.map(({ plugin, running }) => ({ name: plugin.name, host: running }))
    health = await checkHealth({
      queue,
      plugins,
      services: settings.serviceChecks,
      dataDir: settings.dataDir,
      loopLagMs: () => loopDelay.percentile(99) / 1e6,
    })
    loopDelay.reset()
    metrics.health.set(health.ok ? 1 : 0)
    const failed = health.checks
      .filter(({ ok }) => !ok)
      .map(({ name, detail }) => `${name}: ${String(detail['error'])}`)
    if (health.ok) logger.info({ status: 'healthy' }, 'health_check')
    else logger.warn({ status: 'unhealthy', failed }, 'health_check')
    return health
  }

  async function sample(): Promise<void> {
    const counts = await queue.counts()
    metrics.depth.reset()
    for (const [type, statuses] of Object.entries(counts.byType)) {
      for (const [status, n] of Object.entries(statuses)) metrics.depth.set({ task_type: type, status }, n)
    }
    metrics.unroutable.reset()
    for (const { type, version, count } of counts.waiting) {
      if (!registry.types.get(type)?.versions.includes(version))
        metrics.unroutable.inc({ task_type: type }, count)
    }
    metrics.oldestReady.set(
      counts.oldestReadyAt === null ? 0 : Math.max(0, clock.wall() - counts.oldestReadyAt) / 1000,
    )
    metrics.loopLag.set(loopDelay.percentile(99) / 1e9)
  }

  async function submit(submission: Submission) {
    const answers = await queue.submit([prepareTask(submission, registry, clock)])
    return acceptedOf(answers[0]!)
  }

  const around: DeliverySurroundings = {
    queue,
    keeper,
    clock,
    metrics,
    logger,
    graceMs: settings.graceMs,
    leaseMs: settings.limits.leaseMs,
    maxCrashes: settings.limits.maxCrashes,
    async submitChild(parentId, type, payload, { key, ...options }) {
      const child = {
        ...options,
        id: childTaskId(parentId, key),
        type,
        payload: JSON.parse(payload) as unknown,
      }
      const { id, duplicate } = await submit(child)
      return { id, duplicate }
    },
    onEnd(delivery, { outcome, answer }) {
      forced ||=
        outcome.kind === 'abandoned' ||
        (outcome.kind === 'aborted' && outcome.killed && outcome.reason === 'shutdown')
      if (answer === 'settled') waits.notify(delivery.task.id)
    },
  }
  const loop = createLoop({
    types: registry.types,
    concurrency: settings.concurrency,
    slotless: new Set([HEALTH_CHECK]),
    around,
  })
  const stopListening = queue.onWake((wake) => {
    if (wake.changed) waits.notifyAll()
  })
  const timers = [
    repeat(settings.healthCheckIntervalMs, () => check(), logger, 'health_check_failed'),
    repeat(
      PRUNE_EVERY_MS,
      () => queue.prune(settings.retention, { limit: PRUNE_AT_ONCE, deadlineMs: 100 }),
      logger,
      'prune_failed',
    ),
  ]
  if (settings.role !== 'api') loop.start()
  await check()
  logger.info(
    { types: [...registry.types.keys()], queue: queue.capabilities.name, concurrency: settings.concurrency },
    'worker_started',
  )

  async function close(deadlineMs: number): Promise<void> {
    const end = performance.now() + deadlineMs
    const left = () => Math.max(50, end - performance.now())
    stopListening()
    waits.close()
    loopDelay.disable()
    for (const timer of timers) timer.stop()
    await stopPlugins(hosted, left() / 2)
    await queue.close({ deadlineMs: left() / 2 })
    await keeper.close({ deadlineMs: left() })
  }

  return {
    queue,
    waits,
    submit,
    checkHealth: check,
    lastHealth: () => health,
    notReady: () => (fatal ? ['store'] : []),
    queries: () => [...registry.queries.values()].map(describeQuery),
    async submitMany(submissions: readonly Submission[]) {
      return allAccepted(await queue.submit(prepareTasks(submissions, registry, clock)))
    },
    async types() {
      const paused = new Set((await queue.counts()).paused)
      return [...registry.types.values()].map((known) => describeType(known, paused.has(known.type)))
    },
    async cancel(id: string) {
      const answer = await queue.requestCancel(id)
      if (answer === 'not_found') throw new WorkerError('not_found', `there is no task ${id.slice(0, 128)}`)
      if (answer === 'final') throw new WorkerError('already_final', 'the task has ended already')
      waits.notify(id)
      return answer
    },
    async replay(id: string) {
      const answer = await queue.replay(id)
      if (answer === 'not_found') throw new WorkerError('not_found', `there is no task ${id.slice(0, 128)}`)
      if (answer === 'not_replayable')
        throw new WorkerError('not_replayable', 'the task has not failed and was not cancelled')
    },
    async query(name: string, input: unknown, signal = new AbortController().signal) {
      const known = registry.queries.get(name)
      if (!known) {
        const details = { known_queries: [...registry.queries.keys()] }
        throw new WorkerError(
          'unknown_query',
          `no plugin of this worker has the query "${name.slice(0, 64)}"`,
          { details },
        )
      }
      try {
        return await known.host.query(name, input, signal)
      } catch (error) {
        if (isWorkerError(error) && error.code === 'query_failed') {
          logger.warn({ query: name, error: error.message, cause: causeOf(error) }, 'query_failed')
        }
        throw error
      }
    },
    async resultOf(id: string, signal?: AbortSignal): Promise<unknown> {
      for (;;) {
        signal?.throwIfAborted()
        const task = await waits.wait(id, { timeoutMs: OPEN_ENDED_MS, ...(signal && { signal }) })
        if (!task) throw new WorkerError('not_found', `task ${id} is not in the queue any more`)
        if (task.status === 'succeeded') return JSON.parse(task.result ?? 'null')
        if (task.status === 'cancelled') throw new WorkerError('cancelled', `task ${id} was cancelled`)
        if (task.status === 'failed') throw failureOf(id, task.failureReason, task.error)
      }
    },
    async stop(timeoutMs: number): Promise<StopOutcome> {
      logger.info({ in_hand: loop.inHand().length }, 'worker_stopping')
      forced = false
      loop.stopClaiming()
      const outcome = await shutDown(timeoutMs, {
        loop,
        graceMs: settings.graceMs,
        anyForced: () => forced,
        release: async (fences) =>
          void (await Promise.all(fences.map((fence) => queue.settle(fence, { kind: 'release' })))),
        close,
      })
      logger.info({ outcome }, 'worker_stopped')
      return outcome
    },
  }
}

/** What the plugin threw, without what may stand in its payload. */
function causeOf(error: WorkerError): string | null {
  return error.cause === undefined ? null : toTaskError(error.cause, 'query_failed').message
}

function failureOf(
  id: string,
  reason: string | null,
  error: { code: string; message: string } | null,
): WorkerError {
  const message = `task ${id} failed (${reason ?? 'failed'}): ${error?.message ?? ''}`
  return new WorkerError('handler_failed', message, { details: { reason, code: error?.code ?? null } })
}

interface Opening {
  readonly keeper: Keeper
  readonly clock: ReturnType<typeof createClock>
  readonly hosted: readonly HostedPlugin[]
  readonly onCommit: (ms: number) => void
  readonly onFatal: (error: Error) => void
}

async function openAll(
  settings: Settings,
  { keeper, clock, hosted, onCommit, onFatal }: Opening,
): Promise<void> {
  const { queue, logger } = settings
  try {
    await queue.open({
      keeper,
      clock,
      limits: settings.limits,
      log: (level, event, fields = {}) => logger[level](fields, event),
      onCommit,
      onFatal,
    })
    await startPlugins(hosted, AbortSignal.timeout(OPEN_ENDED_MS))
  } catch (error) {
    await queue.close({ deadlineMs: 1000 }).catch(() => {})
    await keeper.close({ deadlineMs: 1000 })
    throw error
  }
}
