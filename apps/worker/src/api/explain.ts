import {
  isFinal,
  type QueueCounts,
  type Task,
  type TypeInfo,
  WorkerError,
  type Worker,
} from '@mcp-worker/runtime'
import { z } from 'zod'
import { requireScope } from './authorise.js'
import { type Route, route } from './route.js'
import { isoTime, statusSchema, taskIdSchema } from './task-json.js'

const REASONS = {
  final: 'It has ended',
  running: 'It runs',
  cancel_requested: 'Its cancel was requested; its handler is told',
  scheduled: 'It may not start yet',
  retrying: 'An attempt failed, and the next one may not start yet',
  paused: 'Its type is paused',
  unknown_type: 'This worker has no plugin with its type',
  unknown_version: 'This worker cannot run its version of the payload',
  waiting: 'It could run, and waits for a free slot',
} as const

const reasonSchema = z.object({
  code: z.enum(Object.keys(REASONS) as [keyof typeof REASONS]),
  message: z.string(),
})
type Reason = z.output<typeof reasonSchema>

/** `GET /tasks/{id}/explain`: why is it not running, and what would change that? */
export function explainRoute(worker: Worker, runsTasks: boolean): Route {
  return route({
    method: 'GET',
    path: '/tasks/{id}/explain',
    operationId: 'explainTask',
    summary: 'Why a task is not running, as this worker sees it',
    scope: 'read',
    params: z.object({ id: taskIdSchema }),
    answers: {
      200: {
        description: 'Every reason; of a task that could run, what it waits for',
        schema: z.object({ id: z.string(), status: statusSchema, reasons: z.array(reasonSchema) }),
      },
    },
    problems: [404],
    handle: async ({ principal, params: { id } }) => {
      requireScope(principal, 'read')
      const [task, counts, types] = await Promise.all([worker.get(id), worker.counts(), worker.types()])
      if (task === null) throw new WorkerError('not_found', `there is no task ${id}`)
      const reasons = explainTask(task, { counts, types, runsTasks, now: Date.now() })
      return { status: 200, body: { id, status: task.status, reasons } }
    },
  })
}

interface Seen {
  readonly counts: QueueCounts
  readonly types: readonly TypeInfo[]
  readonly now: number
  /** Whether the worker that is asked runs tasks itself. */
  readonly runsTasks: boolean
}

export function explainTask(task: Task, seen: Seen): Reason[] {
  if (isFinal(task.status)) return [endedReason(task)]
  if (task.status === 'running') {
    const since = `since ${isoTime(task.startedAt ?? task.readyAt)}, as delivery ${task.deliveries}`
    const running = reason('running', since)
    return task.cancelRequested ? [running, reason('cancel_requested')] : [running]
  }
  const held = [...timeReasons(task, seen.now), ...typeReasons(task, seen)]
  return held.length > 0 ? held : [waitingReason(task, seen)]
}

function reason(code: Reason['code'], detail?: string): Reason {
  return { code, message: detail === undefined ? REASONS[code] : `${REASONS[code]}: ${detail}` }
}

function endedReason({ status, finishedAt, error, failureReason }: Task): Reason {
  const at = finishedAt === null ? '' : ` at ${isoTime(finishedAt)}`
  const why = status === 'failed' && error !== null ? ` (${failureReason ?? 'failed'}, ${error.code})` : ''
  const again = status === 'succeeded' ? '' : '; a replay puts it back'
  return reason('final', `${status}${at}${why}${again}`)
}

function timeReasons({ status, readyAt, attempts, maxAttempts, error }: Task, now: number): Reason[] {
  if (readyAt <= now) return []
  if (status !== 'retrying') return [reason('scheduled', `not before ${isoTime(readyAt)}`)]
  const failed = `attempt ${attempts} of ${maxAttempts} ended with ${error?.code ?? 'an error'}`
  return [reason('retrying', `${failed}, again at ${isoTime(readyAt)}`)]
}

function typeReasons({ type, version }: Task, { counts, types }: Seen): Reason[] {
  const known = types.find((each) => each.type === type)
  const reasons: Reason[] = []
  if (counts.paused.includes(type))
    reasons.push(reason('paused', `mcp-worker resume ${type} (POST /types/${type}/resume) lets it go on`))
  if (known === undefined) reasons.push(reason('unknown_type', `${type}; another worker may have it`))
  else if (!known.versions.includes(version)) {
    const knows = known.versions.join(', ')
    reasons.push(reason('unknown_version', `${version}; ${known.plugin.name} here knows ${knows}`))
  }
  return reasons
}

/** How many exactly are before it only the store could say; that so many wait at all says whether workers are too few. */
function waitingReason({ priority }: Task, { counts: { byType, suspects }, runsTasks }: Seen): Reason {
  const others = Object.values(byType).reduce((sum, { queued = 0 }) => sum + queued, 0) - 1
  const alone = suspects > 0 ? `; ${suspects} that a worker died under run alone, one after the other` : ''
  return reason(
    'waiting',
    `behind ${Math.max(0, others)} others at most, its priority is ${priority}${alone}${runsTasks ? '' : needsOther(byType)}`,
  )
}

/** Nobody registers who runs tasks; that none of them has one in hand says that maybe nobody does. */
function needsOther(byType: QueueCounts['byType']): string {
  const isIdle = Object.values(byType).every(({ running = 0 }) => running === 0)
  const doubt = isIdle ? ', and at the moment none runs any: is one up?' : ''
  return `; this worker only accepts (WORKER_ROLE api), others run tasks${doubt}`
}
