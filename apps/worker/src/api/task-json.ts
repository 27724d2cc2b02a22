import { TASK_STATUSES, type Accepted, type Submission, type Task } from '@mcp-worker/runtime'
import { z } from 'zod'
import { MAX_TIMER_MS, durationSchema } from '../durations.js'
import { RawJson } from './route.js'

export const instant = z.iso.datetime({ offset: true, error: 'expected a time like 2026-01-31T12:00:00Z' })
const ID = /^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$/
const YEARS_10_MS = 3_650 * 86_400_000

export const taskIdSchema = z
  .string()
  .regex(ID, { error: 'expected 1 to 128 letters, digits, ".", "_", ":", "-", the first a letter or digit' })

/** What `POST /tasks` takes. */
export const newTaskSchema = z
  .strictObject({
    type: z.string().min(1).max(64),
    payload: z.unknown().refine((value) => value !== undefined, { error: 'expected a payload' }),
    version: z.int().min(1).optional().describe("Of the payload's schema; default: the newest"),
    id: taskIdSchema.optional().describe('Default: a new UUID. The same id and payload again: a duplicate'),
    priority: z
      .int()
      .min(-100)
      .max(100)
      .optional()
      .describe('One point is worth a minute of waiting; default 0'),
    run_at: instant.optional().describe('Not before'),
    delay: durationSchema({ minMs: 0, maxMs: YEARS_10_MS }).optional(),
    max_attempts: z.int().min(1).max(1_000).optional(),
    timeout: durationSchema({ minMs: 1, maxMs: MAX_TIMER_MS }).optional().describe('Limit of one delivery'),
    expires_at: instant.optional().describe('Not started by then: failed with `expired`'),
  })
  .refine((task) => task.run_at === undefined || task.delay === undefined, {
    error: 'expected run_at or delay, not both',
    path: ['delay'],
  })
  .refine(({ run_at, expires_at }) => !(Date.parse(run_at ?? '') >= Date.parse(expires_at ?? '')), {
    error: 'expected a time after run_at: it would expire before it may start',
    path: ['expires_at'],
  })
  .meta({ id: 'NewTask' })

export type NewTaskJson = z.output<typeof newTaskSchema>

export function toSubmission(task: NewTaskJson, id: string): Submission {
  return {
    type: task.type,
    payload: task.payload,
    id,
    ...(task.version !== undefined && { version: task.version }),
    ...(task.priority !== undefined && { priority: task.priority }),
    ...(task.run_at !== undefined && { runAt: new Date(task.run_at) }),
    ...(task.delay !== undefined && { delay: task.delay }),
    ...(task.max_attempts !== undefined && { maxAttempts: task.max_attempts }),
    ...(task.timeout !== undefined && { timeout: task.timeout }),
    ...(task.expires_at !== undefined && { expiresAt: new Date(task.expires_at) }),
  }
}

export const statusSchema = z.enum(TASK_STATUSES)

export const acceptedSchema = z
  .object({
    id: z.string(),
    type: z.string(),
    status: statusSchema.nullable().describe('Null: a duplicate of a task that was pruned'),
    created_at: z.iso.datetime(),
    duplicate: z.boolean().describe('True: this submit made no task; the first one is answered'),
  })
  .meta({ id: 'Accepted' })

export function acceptedJson(accepted: Accepted): z.output<typeof acceptedSchema> {
  return {
    id: accepted.id,
    type: accepted.type,
    status: accepted.status,
    created_at: isoTime(accepted.createdAt),
    duplicate: accepted.duplicate,
  }
}

const time = z.iso.datetime().nullable()

/** A task in a page; `result` comes with the single task only. */
export const taskSummarySchema = z
  .object({
    id: z.string(),
    type: z.string(),
    version: z.int(),
    status: statusSchema,
    priority: z.int(),
    attempts: z.int().describe('Charged failures'),
    crashes: z.int(),
    releases: z.int().describe('Handed back unfinished, free'),
    snoozes: z.int(),
    deliveries: z.int(),
    max_attempts: z.int(),
    cancel_requested: z.boolean(),
    progress: z
      .object({ done: z.number(), total: z.number().nullable(), note: z.string().nullable() })
      .nullable(),
    error: z.object({ code: z.string(), message: z.string() }).nullable(),
    failure_reason: z.string().nullable(),
    created_at: z.iso.datetime(),
    run_at: z.iso.datetime(),
    ready_at: z.iso.datetime().describe('When it may start: run_at, or the time of its next attempt'),
    expires_at: time,
    started_at: time,
    finished_at: time,
  })
  .meta({ id: 'TaskSummary' })

export const taskSchema = taskSummarySchema
  .extend({ result: z.unknown().describe('What the handler returned; null until it succeeded') })
  .meta({ id: 'Task' })

export function taskSummaryJson(task: Task): z.output<typeof taskSummarySchema> {
  return {
    id: task.id,
    type: task.type,
    version: task.version,
    status: task.status,
    priority: task.priority,
    attempts: task.attempts,
    crashes: task.crashes,
    releases: task.releases,
    snoozes: task.snoozes,
    deliveries: task.deliveries,
    max_attempts: task.maxAttempts,
    cancel_requested: task.cancelRequested,
    progress: task.progress,
    error: task.error,
    failure_reason: task.failureReason,
    created_at: isoTime(task.createdAt),
    run_at: isoTime(task.runAt),
    ready_at: isoTime(task.readyAt),
    expires_at: task.expiresAt === null ? null : isoTime(task.expiresAt),
    started_at: task.startedAt === null ? null : isoTime(task.startedAt),
    finished_at: task.finishedAt === null ? null : isoTime(task.finishedAt),
  }
}

/** The result is spliced in as it was stored: a parse would round its large numbers. */
export function taskJson(task: Task): RawJson {
  return new RawJson(
    `${JSON.stringify(taskSummaryJson(task)).slice(0, -1)},"result":${task.result ?? 'null'}}`,
  )
}

export function isoTime(ms: number): string {
  return new Date(ms).toISOString()
}
