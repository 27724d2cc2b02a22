import { mkdirSync } from 'node:fs'
import { createClock, type Clock } from './clock.js'
import { createFrontDoor, type FrontDoor } from './front-door.js'
import { handshake } from './handshake.js'
import type { HealthReport } from './health.js'
import { HEALTH_CHECK, healthCheckPlugin } from './health-check-type.js'
import { createHealthWatch } from './health-watch.js'
import { createKeeper, type Keeper } from './keeper/keeper.js'
import { createLoop, type Loop } from './loop.js'
import { watchLoopLag } from './loop-lag.js'
import { createMetrics } from './metrics.js'
import { hostPlugins, startPlugins, stopPlugins, type HostedPlugin } from './plugins.js'
import type { QueueDriver } from './queue.js'
import { createRegistry } from './registry.js'
import { repeat } from './repeat.js'
import type { DeliveryEnd, DeliverySurroundings } from './run-delivery.js'
import { sampleQueue } from './sample-queue.js'
import { shutDown, type StopOutcome } from './shutdown.js'
import { createTaskStore, taskStore } from './task-store.js'
import { childTaskId } from './submit.js'
import { createWaits, type Waits } from './wait.js'
import type { Settings } from './worker-options.js'

/** A worker between its start and its stop. */
export interface RunningWorker extends FrontDoor {
  readonly queue: QueueDriver
  readonly waits: Waits
  checkHealth(): Promise<HealthReport>
  lastHealth(): HealthReport | null
  notReady(): readonly string[]
  stop(timeoutMs: number): Promise<StopOutcome>
}

const PRUNE_EVERY_MS = 1000
const PRUNE_AT_ONCE = { limit: 1000, deadlineMs: 100 }

/** Handshake → keeper and store → plugins → loop. What was opened is closed again when a later step fails. */
export async function startWorker(settings: Settings): Promise<RunningWorker> {
  const { queue, logger } = settings
  const clock = createClock()
  const checked = handshake(settings.plugins, { hosts: settings.hosts }).plugins
  mkdirSync(settings.dataDir, { recursive: true })
  const fatal = createFatal(settings)
  const { leaseMs } = settings.limits
  const keeper = createKeeper({ clock, leaseMs, graceMs: settings.graceMs, onDeath: fatal.raise })
  const metrics = createMetrics(settings.registry, () =>
    sampleQueue(metrics, { queue, types: registry.types, clock, lag }),
  )
  const own = healthCheckPlugin(() => health.check())
  const hosted = hostPlugins([...checked, { plugin: own, host: 'inline', options: {} }], {
    dataDir: settings.dataDir,
    logger,
    metrics: settings.registry,
    builtIn: new Map([[taskStore.service, createTaskStore(queue, clock)]]),
  })
  await openAll(settings, {
    keeper,
    clock,
    hosted,
    fatal,
    onCommit: (ms) => metrics.commit.observe(ms / 1000),
  })

  const lag = watchLoopLag()
  const registry = createRegistry(hosted, {
    timeoutMs: settings.taskTimeoutMs,
    concurrency: settings.concurrency,
  })
  const waits = createWaits(queue)
  const door = createFrontDoor({ queue, registry, clock, waits, logger })
  const plugins = hosted.map(({ plugin, running }) => ({ name: plugin.name, host: running }))
  const health = createHealthWatch(
    { queue, plugins, services: settings.serviceChecks, dataDir: settings.dataDir, loopLagMs: lag.p99Ms },
    metrics,
    logger,
  )
  const forced = createForced()
  const around: DeliverySurroundings = {
    queue,
    keeper,
    clock,
    metrics,
    logger,
    leaseMs,
    graceMs: settings.graceMs,
    maxCrashes: settings.limits.maxCrashes,
    submitChild: submitChildBy(door),
    onEnd(delivery, end) {
      forced.note(end)
      if (end.answer === 'settled') waits.notify(delivery.task.id)
    },
  }
  const slotless = new Set([HEALTH_CHECK])
  const loop = createLoop({ types: registry.types, concurrency: settings.concurrency, slotless, around })
  const stopListening = queue.onWake((wake) => {
    if (wake.changed) waits.notifyAll()
  })
  if (settings.role !== 'api') loop.start()
  await health.start(settings.healthCheckIntervalMs)
  const pruning = repeat(
    PRUNE_EVERY_MS,
    () => queue.prune(settings.retention, PRUNE_AT_ONCE),
    logger,
    'prune_failed',
  )
  logger.info(
    { types: [...registry.types.keys()], queue: queue.capabilities.name, concurrency: settings.concurrency },
    'worker_started',
  )

  async function quiet(): Promise<void> {
    stopListening()
    await waits.close()
    lag.stop()
    health.stop()
    pruning.stop()
  }
  return {
    ...door,
    queue,
    waits,
    checkHealth: health.check,
    lastHealth: health.last,
    notReady: () => (fatal.raised() ? ['store'] : []),
    stop: (timeoutMs) =>
      stopWorker(timeoutMs, {
        settings,
        loop,
        forced,
        close: (ms) => closeAll(ms, { quiet, hosted, queue, keeper }),
      }),
  }
}

/** The first fatal error is told once; from then on the worker isn't ready. */
function createFatal({ logger, onFatal }: Pick<Settings, 'logger' | 'onFatal'>) {
  let first: Error | null = null
  return {
    raised: () => first !== null,
    raise: (error: Error) => {
      if (first) return
      first = error
      logger.fatal({ error: error.message }, 'store_failed')
      onFatal(error)
    },
  }
}

/** Whether a shutdown had to kill a handler or leave one behind. */
function createForced() {
  let any = false
  return {
    any: () => any,
    forget: () => void (any = false),
    note({ outcome }: DeliveryEnd) {
      any ||=
        outcome.kind === 'abandoned' ||
        (outcome.kind === 'aborted' && outcome.killed && outcome.reason === 'shutdown')
    },
  }
}

function submitChildBy(door: FrontDoor): DeliverySurroundings['submitChild'] {
  return async (parentId, type, payload, { key, ...options }) => {
    const child = {
      ...options,
      id: childTaskId(parentId, key),
      type,
      payload: JSON.parse(payload) as unknown,
    }
    const { id, duplicate } = await door.submit(child)
    return { id, duplicate }
  }
}

interface Opening {
  readonly keeper: Keeper
  readonly clock: Clock
  readonly hosted: readonly HostedPlugin[]
  readonly fatal: { readonly raise: (error: Error) => void }
  readonly onCommit: (ms: number) => void
}

async function openAll(
  settings: Settings,
  { keeper, clock, hosted, fatal, onCommit }: Opening,
): Promise<void> {
  const { queue, logger, limits } = settings
  const log: Parameters<QueueDriver['open']>[0]['log'] = (level, event, fields = {}) =>
    logger[level](fields, event)
  try {
    await queue.open({ keeper, clock, limits, log, onCommit, onFatal: fatal.raise })
    await startPlugins(hosted)
  } catch (error) {
    await queue.close({ deadlineMs: 1000 }).catch(() => {})
    await keeper.close({ deadlineMs: 1000 })
    throw error
  }
}

interface Stopping {
  readonly settings: Settings
  readonly loop: Loop
  readonly forced: ReturnType<typeof createForced>
  readonly close: (deadlineMs: number) => Promise<void>
}

async function stopWorker(
  timeoutMs: number,
  { settings, loop, forced, close }: Stopping,
): Promise<StopOutcome> {
  const { logger, queue, graceMs } = settings
  logger.info({ in_hand: loop.inHand().length }, 'worker_stopping')
  forced.forget()
  loop.stopClaiming()
  const release = async (fences: readonly string[]) =>
    void (await Promise.all(fences.map((fence) => queue.settle(fence, { kind: 'release' }))))
  const outcome = await shutDown(timeoutMs, { loop, graceMs, anyForced: forced.any, release, close })
  logger.info({ outcome }, 'worker_stopped')
  return outcome
}

interface Closing {
  readonly quiet: () => Promise<void>
  readonly hosted: readonly HostedPlugin[]
  readonly queue: QueueDriver
  readonly keeper: Keeper
}

async function closeAll(deadlineMs: number, { quiet, hosted, queue, keeper }: Closing): Promise<void> {
  const end = performance.now() + deadlineMs
  const left = () => Math.max(50, end - performance.now())
  await quiet()
  await stopPlugins(hosted, left() / 2)
  await queue.close({ deadlineMs: left() / 2 })
  await keeper.close({ deadlineMs: left() })
}
