import type { Clock } from '../clock.js'
import { isWorkerError, WorkerError, type ErrorCode, type Fault } from '../errors.js'
import type { QueueDriver } from '../queue.js'
import type { Registry } from '../registry.js'
import { prepareTask } from '../submit.js'
import type { TaskStatus } from '../task.js'
import { instantsIn, type MissedRule } from './due.js'
import { taskIdOf, taskOf, type Schedule } from './options.js'
import { runSchedule, sleep, type ScheduleSurroundings } from './runner.js'

/** A schedule as it was configured, and its runs. Instants are milliseconds since the epoch. */
export interface ScheduleInfo {
  readonly name: string
  readonly type: string
  readonly payload: unknown
  readonly cron: string | null
  readonly everyMs: number | null
  /** Null beside `everyMs`, as `dst`. */
  readonly timezone: string | null
  readonly dst: 'skip' | 'shift' | null
  readonly missed: MissedRule
  readonly nextAt: number | null
  /** The newest run that is known; `status` is null where its task was pruned. */
  readonly last: {
    readonly at: number
    readonly taskId: string
    readonly status: TaskStatus | null
  } | null
}

export interface Schedules {
  start(): void
  /** Nothing fires from here on. Resolves when a submit under way has ended. */
  stop(): Promise<void>
  list(): Promise<readonly ScheduleInfo[]>
}

interface SchedulesAround extends Omit<ScheduleSurroundings, 'sleep'> {
  readonly queue: Pick<QueueDriver, 'get'>
}

/** Throws `bad_configuration` with everything that would keep the tasks of the schedules from being accepted. */
export function checkSchedules(schedules: readonly Schedule[], registry: Registry, clock: Clock): void {
  const faults = schedules.flatMap((schedule, index) =>
    taskFaults(schedule, registry, clock).map(({ path, message }) => ({
      path: `schedules[${index}].${path}`,
      message: `${schedule.options.name}: ${message}`,
    })),
  )
  if (faults.length === 0) return
  throw new WorkerError('bad_configuration', 'the tasks of the schedules would be refused', { faults })
}

function taskFaults(schedule: Schedule, registry: Registry, clock: Clock): readonly Fault[] {
  try {
    prepareTask(taskOf(schedule, clock.wall()), registry, clock)
    return []
  } catch (error) {
    if (!isWorkerError(error)) throw error
    if (error.faults.length > 0) return error.faults
    return [{ path: PLACE[error.code] ?? 'payload', message: error.message }]
  }
}

/** Where a refusal without faults of its own belongs. */
const PLACE: Partial<Record<ErrorCode, string>> = { unknown_type: 'type', unknown_version: 'version' }

export function createSchedules(schedules: readonly Schedule[], around: SchedulesAround): Schedules {
  const stopping = new AbortController()
  let running: readonly Promise<void>[] = []
  return {
    start() {
      running = schedules.map((one) => runSchedule(one, { ...around, sleep }, stopping.signal))
    },
    async stop() {
      stopping.abort()
      await Promise.all(running)
    },
    list: () => Promise.all(schedules.map((one) => infoOf(one, around))),
  }
}

async function infoOf(schedule: Schedule, around: SchedulesAround): Promise<ScheduleInfo> {
  const { options, timing, everyMs, timezone, dst, missed } = schedule
  const { name, type, payload, cron = null } = options
  const nextAt = timing.next(around.clock.wall())
  const last = await lastRun(schedule, around)
  return { name, type, payload, cron, everyMs, timezone, dst, missed, nextAt, last }
}

/** How many of the last instants are looked up in the queue: workers elsewhere may have submitted what no record here tells of. */
const LOOKED_UP = 3

async function lastRun(schedule: Schedule, around: SchedulesAround): Promise<ScheduleInfo['last']> {
  const { clock, queue, records } = around
  const recorded = (await records.read(schedule))?.lastInstant ?? null
  const recent = instantsIn(schedule.timing, recorded ?? -Infinity, clock.wall(), LOOKED_UP)
  for (const at of [...recent.toReversed(), ...(recorded === null ? [] : [recorded])]) {
    const taskId = taskIdOf(schedule.options.name, at)
    const task = await queue.get(taskId)
    if (task || at === recorded) return { at, taskId, status: task?.status ?? null }
  }
  return null
}
