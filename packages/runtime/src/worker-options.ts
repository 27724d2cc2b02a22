import { resolve } from 'node:path'
import type { Logger } from 'pino'
import { Registry } from 'prom-client'
import { parseDuration } from './duration.js'
import { isWorkerError, WorkerError, type Fault } from './errors.js'
import type { ServiceCheck } from './health.js'
import { createLogger } from './logger.js'
import type { Duration, HostKind, Plugin } from './plugin.js'
import { readSchedules, type Schedule, type ScheduleOptions } from './schedule/options.js'
import {
  DEFAULT_LIMITS,
  DEFAULT_RETENTION,
  type QueueDriver,
  type QueueLimits,
  type Retention,
} from './queue.js'

/** What `createWorker` takes. Durations: milliseconds or `"30s"`. */
export interface WorkerOptions<Ps extends readonly Plugin[]> {
  readonly plugins: Ps
  readonly queue: QueueDriver
  /** `all` (default) · `api`: accepts, runs nothing · `worker`: runs. The runtime itself treats `worker` like `all`. */
  readonly role?: 'all' | 'api' | 'worker'
  /** Tasks at once in this process. Default 4. */
  readonly concurrency?: number
  /** Time limit of a delivery where neither task nor handler sets one. Default 300 s. */
  readonly taskTimeout?: Duration
  /** From the abort signal to the kill, for hosts that acknowledged it. Default 5 s. */
  readonly abortGrace?: Duration
  /** Default 30 s. */
  readonly healthCheckInterval?: Duration
  /** Plugins keep their files below it. Default `./data`. */
  readonly dataDir?: string
  /** The operator's word on where plugins live, by plugin name; it wins over the plugin's own. */
  readonly hosts?: Readonly<Record<string, HostKind>>
  readonly limits?: Partial<QueueLimits>
  /** Tasks submitted at their times, once however many workers know the schedule. A worker with the role `api` submits none. */
  readonly schedules?: readonly ScheduleOptions[]
  readonly retention?: Partial<Retention>
  /** Services that `health_check` asks: `tcp://host:port` or `http(s)://…`. */
  readonly serviceChecks?: readonly ServiceCheck[]
  /** Default: JSON lines on standard output, level info (`createLogger`). */
  readonly logger?: Logger
  /** Default: a registry of its own. */
  readonly registry?: Registry
  /** Called when the store cannot be trusted any more; the process should end with exit code 74. */
  readonly onFatal?: (error: Error) => void
}

/** The options with every default in place, durations in milliseconds. */
export interface Settings {
  readonly plugins: readonly Plugin[]
  readonly queue: QueueDriver
  readonly role: 'all' | 'api' | 'worker'
  readonly concurrency: number
  readonly taskTimeoutMs: number
  readonly graceMs: number
  readonly healthCheckIntervalMs: number
  readonly dataDir: string
  readonly hosts: Readonly<Record<string, HostKind>>
  readonly limits: QueueLimits
  readonly retention: Retention
  readonly schedules: readonly Schedule[]
  readonly serviceChecks: readonly ServiceCheck[]
  readonly logger: Logger
  readonly registry: Registry
  readonly onFatal: (error: Error) => void
}

/** Slots of the keeper's board; more deliveries at once than this make no sense in one process. */
const MOST_CONCURRENCY = 1000

/** Throws `bad_configuration` with all faults at once. */
export function settingsOf(options: WorkerOptions<readonly Plugin[]>): Settings {
  const faults: Fault[] = []
  const duration = (path: string, given: Duration | undefined, otherwise: number) => {
    try {
      return given === undefined ? otherwise : parseDuration(given)
    } catch (error) {
      faults.push({
        path,
        message: isWorkerError(error) || error instanceof Error ? error.message : String(error),
      })
      return otherwise
    }
  }
  const { concurrency = 4 } = options
  if (!Number.isInteger(concurrency) || concurrency < 1 || concurrency > MOST_CONCURRENCY) {
    faults.push({ path: 'concurrency', message: `expected a whole number from 1 to ${MOST_CONCURRENCY}` })
  }
  const { schedules, faults: scheduleFaults } = readSchedules(options.schedules ?? [])
  faults.push(...scheduleFaults)
  const settings: Settings = {
    plugins: options.plugins,
    queue: options.queue,
    role: options.role ?? 'all',
    concurrency,
    taskTimeoutMs: duration('taskTimeout', options.taskTimeout, 300_000),
    graceMs: duration('abortGrace', options.abortGrace, 5000),
    healthCheckIntervalMs: duration('healthCheckInterval', options.healthCheckInterval, 30_000),
    dataDir: resolve(options.dataDir ?? './data'),
    hosts: options.hosts ?? {},
    limits: { ...DEFAULT_LIMITS, ...options.limits },
    retention: { ...DEFAULT_RETENTION, ...options.retention },
    schedules,
    serviceChecks: options.serviceChecks ?? [],
    logger: options.logger ?? createLogger(),
    registry: options.registry ?? new Registry(),
    onFatal: options.onFatal ?? (() => {}),
  }
  if (faults.length > 0)
    throw new WorkerError('bad_configuration', 'the options of the worker are wrong', { faults })
  return settings
}
