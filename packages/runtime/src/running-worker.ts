import { mkdirSync } from 'node:fs'
import { createClock, type Clock } from './clock.js'
import { createFrontDoor, type FrontDoor } from './front-door.js'
import { giveBack } from './give-back.js'
import { handshake } from './handshake.js'
import type { HealthReport } from './health.js'
import { HEALTH_CHECK, healthCheckPlugin } from './health-check-type.js'
import { createHealthWatch } from './health-watch.js'
import { createKeeper, type Keeper } from './keeper/keeper.js'
import { createLoop } from './loop.js'
import { createLoopLag } from './loop-lag.js'
import { createMetrics, startAtZero } from './metrics.js'
import { hostPlugins, startPlugins, stopPlugins, type HostedPlugin } from './plugins.js'
import type { QueueDriver, Recovered } from './queue.js'
import { createRegistry } from './registry.js'
import { repeat } from './repeat.js'
import type { DeliveryEnd, DeliverySurroundings } from './run-delivery.js'
import { createRecordStore } from './schedule/record.js'
import type { ScheduleSurroundings } from './schedule/runner.js'
import { checkSchedules, createSchedules, type Schedules } from './schedule/schedules.js'
import { sampleGauges } from './sample-gauges.js'
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
  /** Resolves when the first health check has ended. Tasks run before: how long a check takes must not hold up what was in hand at a crash. */
  readonly checked: Promise<void>
  readonly schedules: Schedules['list']
  stop(timeoutMs: number): Promise<StopOutcome>
}

const PRUNE_EVERY_MS = 1000
/** After a slice that was full: more is left than comes in a second. */
const PRUNE_ON_MS = 100
const PRUNE_AT_ONCE = { limit: 1000, deadlineMs: 100 }

/** Handshake → keeper and store → plugins → loop and schedules. What was opened is closed again when a later step fails. */
export async function startWorker(settings: Settings): Promise<RunningWorker> {
  mkdirSync(settings.dataDir, { recursive: true })
  const parts = wire(settings)
  await open(settings, parts)
  const { checked, quiet } = work(settings, parts)
  let isChecked = false
  void checked.then(() => (isChecked = true))
  const { queue, waits, health, fatal, door } = parts
  return {
    ...door,
    queue,
    waits,
    checkHealth: health.check,
    lastHealth: health.last,
    schedules: () => parts.schedules.list(),
    checked,
    notReady: () => (fatal.raised() ? ['store'] : isChecked ? [] : ['starting']),
    stop: (timeoutMs) => stopWorker(timeoutMs, settings, parts, quiet),
  }
}

type Parts = ReturnType<typeof wire>

/** The parts and who knows whom; nothing runs yet, nothing is open. */
function wire(settings: Settings) {
  const { queue, logger, graceMs, dataDir, limits } = settings
  const clock = createClock()
  const fatal = createFatal(settings)
  const lag = createLoopLag()
  const metrics = createMetrics(settings.registry, () =>
    sampleGauges(metrics, { queue, types: registry.types, clock, lag, dataDir }),
  )
  const hosted = hostAll(settings, { clock, checkHealth: () => health.check() })
  const registry = createRegistry(hosted, {
    timeoutMs: settings.taskTimeoutMs,
    concurrency: settings.concurrency,
  })
  checkSchedules(settings.schedules, registry, clock)
  const waits = createWaits(queue)
  const door = createFrontDoor({ queue, registry, clock, waits, logger })
  const plugins = hosted.map(({ plugin, running }) => ({ name: plugin.name, host: running }))
  const health = createHealthWatch(
    { queue, plugins, services: settings.serviceChecks, dataDir, loopLagMs: lag.p99Ms },
    metrics,
    logger,
  )
  const schedules = scheduling(settings, { clock, metrics, submit: (task) => door.submit(task) })
  const forced = createForced()
  // last of what may throw: it starts a thread
  const keeper = createKeeper({ clock, leaseMs: limits.leaseMs, graceMs, onDeath: fatal.raise })
  const around: DeliverySurroundings = {
    queue,
    keeper,
    clock,
    metrics,
    logger,
    graceMs,
    leaseMs: limits.leaseMs,
    maxCrashes: limits.maxCrashes,
    submitChild: submitChildBy(door),
    onEnd(delivery, end) {
      forced.note(end)
      if (end.answer === 'settled') waits.notify(delivery.task.id)
    },
  }
  const loop = createLoop({
    types: registry.types,
    concurrency: settings.concurrency,
    slotless: new Set([HEALTH_CHECK]),
    around,
  })
  return {
    queue,
    clock,
    fatal,
    keeper,
    lag,
    metrics,
    hosted,
    registry,
    waits,
    door,
    health,
    forced,
    loop,
    schedules,
  }
}

function scheduling(
  { schedules, queue, logger, dataDir, retention }: Settings,
  around: Pick<ScheduleSurroundings, 'clock' | 'metrics' | 'submit'>,
): Schedules {
  const lookBackMs = retention.succeeded.maxAgeMs
  return createSchedules(schedules, {
    ...around,
    queue,
    logger,
    records: createRecordStore(dataDir),
    lookBackMs,
  })
}

/** The plugins that the handshake let in, and the runtime's own. */
function hostAll(
  { plugins, hosts, dataDir, logger, registry, queue }: Settings,
  { clock, checkHealth }: { readonly clock: Clock; readonly checkHealth: () => Promise<HealthReport> },
): readonly HostedPlugin[] {
  const checked = handshake(plugins, { hosts }).plugins
  const own = healthCheckPlugin(checkHealth)
  return hostPlugins([...checked, { plugin: own, host: 'inline', options: {} }], {
    dataDir,
    logger,
    metrics: registry,
    builtIn: new Map([[taskStore.service, (signal) => createTaskStore(queue, clock, signal)]]),
  })
}

async function open(settings: Settings, { keeper, clock, hosted, fatal, metrics }: Parts): Promise<void> {
  const { queue, logger, limits } = settings
  const log: Parameters<QueueDriver['open']>[0]['log'] = (level, event, fields = {}) =>
    logger[level](fields, event)
  const onCommit = (ms: number) => metrics.commit.observe(ms / 1000)
  const onRecovered = ({ why, tasks }: Recovered) => metrics.recovered.inc({ why }, tasks)
  try {
    await queue.open({ keeper, clock, limits, log, onCommit, onRecovered, onFatal: fatal.raise })
    await startPlugins(hosted)
  } catch (error) {
    await queue.close({ deadlineMs: 1000 }).catch(() => {})
    await keeper.close({ deadlineMs: 1000 })
    throw error
  }
}

/** From here on it claims, checks its health and prunes; `quiet` ends all three and those who wait for tasks. */
function work(settings: Settings, parts: Parts) {
  const { queue, logger, role, healthCheckIntervalMs, retention, concurrency } = settings
  const { waits, lag, health, loop, registry, metrics, schedules } = parts
  lag.start()
  startAtZero(metrics, {
    types: registry.types.keys(),
    schedules: settings.schedules.map(({ options }) => options.name),
  })
  const stopListening = queue.onWake((wake) => {
    if (wake.changed) waits.notifyAll()
  })
  if (role !== 'api') {
    loop.start()
    schedules.start()
  }
  const prune = async () => {
    const pruned = await queue.prune(retention, PRUNE_AT_ONCE)
    return pruned < PRUNE_AT_ONCE.limit ? PRUNE_EVERY_MS : PRUNE_ON_MS
  }
  const pruning = repeat(PRUNE_EVERY_MS, prune, logger, 'prune_failed')
  const types = [...registry.types.keys()]
  const checked = health
    .start(healthCheckIntervalMs)
    .then(() => logger.info({ types, queue: queue.capabilities.name, concurrency }, 'worker_started'))
  const quiet = async () => {
    stopListening()
    await waits.close()
    lag.stop()
    health.stop()
    pruning.stop()
  }
  return { checked, quiet }
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

async function stopWorker(
  timeoutMs: number,
  { logger, queue, graceMs, limits }: Settings,
  { loop, forced, hosted, keeper, clock, schedules }: Parts,
  quiet: () => Promise<void>,
): Promise<StopOutcome> {
  logger.info({ in_hand: loop.inHand().length }, 'worker_stopping')
  forced.forget()
  loop.stopClaiming()
  const schedulesEnded = schedules.stop()
  const release = (fences: readonly string[]) => giveBack(fences, { queue, clock, leaseMs: limits.leaseMs })
  const close = (deadlineMs: number) => closeAll(deadlineMs, { quiet, hosted, queue, schedulesEnded, keeper })
  const outcome = await shutDown(timeoutMs, { loop, graceMs, anyForced: forced.any, release, close })
  logger.info({ outcome }, 'worker_stopped')
  return outcome
}

interface Closing {
  readonly quiet: () => Promise<void>
  readonly hosted: readonly HostedPlugin[]
  readonly queue: QueueDriver
  readonly schedulesEnded: Promise<void>
  readonly keeper: Keeper
}

async function closeAll(deadlineMs: number, closing: Closing): Promise<void> {
  const { quiet, hosted, queue, schedulesEnded, keeper } = closing
  const end = performance.now() + deadlineMs
  const left = () => Math.max(50, end - performance.now())
  await quiet()
  await stopPlugins(hosted, left() / 2)
  await queue.close({ deadlineMs: left() / 2 })
  // a submit that was under way was rejected by the close
  await schedulesEnded
  await keeper.close({ deadlineMs: left() })
}
