import { TASK_STATUSES, WorkerError, isWorkerError, newTaskId, type Worker } from '@mcp-worker/runtime'
import { z } from 'zod'
import { requireScope, requireSubmitScopes } from './authorise.js'
import { bulkRoutes } from './bulk.js'
import { eventsRoute } from './events.js'
import { explainRoute } from './explain.js'
import { type ApiAnswer, type Route, route } from './route.js'
import {
  acceptedJson,
  acceptedSchema,
  newTaskSchema,
  taskIdSchema,
  taskJson,
  taskSchema,
  taskSummaryJson,
  taskSummarySchema,
  toSubmission,
} from './task-json.js'

const MAX_WAIT_SECONDS = 60
const MAX_BATCH = 1_000

const params = z.object({ id: taskIdSchema })
const accepted = { description: 'Accepted, durably', schema: acceptedSchema }
const idempotencyKey = z
  .string()
  .regex(/^[\x21-\x7e]{1,255}$/, { error: 'expected 1 to 255 visible ASCII characters' })
  .optional()
const keyHeader = z.object({ 'idempotency-key': idempotencyKey })

/** A number in the query string. */
const numeric = (schema: z.ZodNumber) =>
  z
    .string()
    .regex(/^\d{1,9}(\.\d{1,3})?$/, { error: 'expected one number', abort: true })
    .transform(Number)
    .pipe(schema)

/** `runsTasks`: whether this worker does so itself, or only accepts them. */
export function taskRoutes(worker: Worker, runsTasks: boolean): readonly Route[] {
  return [
    submit(worker),
    submitBatch(worker),
    list(worker),
    get(worker),
    eventsRoute(worker),
    explainRoute(worker, runsTasks),
    cancel(worker),
    replay(worker),
    ...bulkRoutes(worker),
  ]
}

function submit(worker: Worker): Route {
  return route({
    method: 'POST',
    path: '/tasks',
    operationId: 'submitTask',
    summary: 'Submit a task',
    scope: 'submit:<type>',
    headers: keyHeader,
    body: newTaskSchema,
    answers: { 202: accepted, 200: { description: 'A duplicate: the first task', schema: acceptedSchema } },
    problems: [409, 413, 415, 422, 429, 507],
    handle: async ({ principal, headers, body }) => {
      requireScope(principal, `submit:${body.type}`)
      const id = body.id ?? newTaskId(Date.now())
      const key = headers['idempotency-key']
      const { type, payload, ...options } = toSubmission(body, id)
      const submitted = worker.submit(type, payload, {
        ...options,
        ...(key !== undefined && { idempotency: { scope: principal.name, key } }),
      })
      const task = await submitted.catch((error: unknown) => Promise.reject(withIds(error, { id })))
      return {
        status: task.duplicate ? 200 : 202,
        headers: { location: `/tasks/${task.id}` },
        body: acceptedJson(task),
      }
    },
  })
}

/** After these a submit may have been stored: a commit whose sync failed is there at the next start. */
const MAY_BE_STORED: readonly string[] = ['outcome_unknown', 'store_failed']

/** A submit whose outcome is unknown is repeated safely with the same id, so the answer must name it. */
function withIds(error: unknown, ids: Readonly<Record<string, unknown>>): unknown {
  if (!isWorkerError(error) || !MAY_BE_STORED.includes(error.code)) return error
  const { code, message, faults, details, retryAfterMs } = error
  return new WorkerError(code, message, {
    cause: error,
    faults,
    details: { ...details, ...ids },
    ...(retryAfterMs !== null && { retryAfterMs }),
  })
}

function submitBatch(worker: Worker): Route {
  const answered = z.object({ tasks: z.array(acceptedSchema) })
  return route({
    method: 'POST',
    path: '/tasks/batch',
    operationId: 'submitTasks',
    summary: 'Submit up to 1,000 tasks, all or none',
    scope: 'submit:<type> of every item',
    headers: z.object({
      'idempotency-key': z
        .undefined({ error: 'a batch takes no idempotency key; give each task an id' })
        .optional(),
    }),
    body: z.strictObject({ tasks: z.array(newTaskSchema).min(1).max(MAX_BATCH) }),
    answers: {
      202: { description: 'All accepted, durably', schema: answered },
      200: { description: 'All of them duplicates', schema: answered },
    },
    problems: [409, 413, 415, 422, 429, 507],
    handle: async ({ principal, body }) => {
      requireSubmitScopes(
        principal,
        body.tasks.map((task) => task.type),
      )
      const submissions = body.tasks.map((task) => toSubmission(task, task.id ?? newTaskId(Date.now())))
      const ids = submissions.map((one) => one.id)
      const submitted = worker.submitMany(submissions)
      const tasks = await submitted.catch((error: unknown) => Promise.reject(withIds(error, { ids })))
      const status = tasks.every((task) => task.duplicate) ? 200 : 202
      return { status, body: { tasks: tasks.map(acceptedJson) } }
    },
  })
}

function get(worker: Worker): Route {
  return route({
    method: 'GET',
    path: '/tasks/{id}',
    operationId: 'getTask',
    summary: 'A task; with `wait` the answer is held until the task is final or the time is up',
    scope: 'read',
    params,
    query: z.strictObject({
      wait: numeric(z.number().max(MAX_WAIT_SECONDS, { error: 'expected at most 60 seconds' }))
        .optional()
        .describe('Seconds, at most 60'),
    }),
    answers: { 200: { description: 'The task as it stands', schema: taskSchema } },
    problems: [404],
    handle: async ({ principal, params: { id }, query: { wait }, signal }): Promise<ApiAnswer> => {
      requireScope(principal, 'read')
      const timeoutMs = (wait ?? 0) * 1_000
      const task = timeoutMs > 0 ? await worker.wait(id, { timeoutMs, signal }) : await worker.get(id)
      if (task === null) throw new WorkerError('not_found', `there is no task ${id}`)
      return { status: 200, body: taskJson(task) }
    },
  })
}

function list(worker: Worker): Route {
  return route({
    method: 'GET',
    path: '/tasks',
    operationId: 'listTasks',
    summary: 'A page of tasks, newest first',
    scope: 'read',
    query: z.strictObject({
      status: z.enum(TASK_STATUSES).optional(),
      type: z.string().min(1).max(64).optional(),
      limit: numeric(z.int().min(1).max(1_000)).default(50).describe('1 … 1,000, default 50'),
      cursor: z.string().min(1).max(1_024).optional().describe('`cursor` of the page before'),
    }),
    answers: {
      200: {
        description: 'A page; `cursor` is null on the last one',
        schema: z.object({ tasks: z.array(taskSummarySchema), cursor: z.string().nullable() }),
      },
    },
    handle: async ({ principal, query: { status, type, limit, cursor } }) => {
      requireScope(principal, 'read')
      const page = await worker.list({
        limit,
        ...(status !== undefined && { status }),
        ...(type !== undefined && { type }),
        ...(cursor !== undefined && { cursor }),
      })
      return { status: 200, body: { tasks: page.tasks.map(taskSummaryJson), cursor: page.cursor } }
    },
  })
}

function cancel(worker: Worker): Route {
  return route({
    method: 'POST',
    path: '/tasks/{id}/cancel',
    operationId: 'cancelTask',
    summary: 'Cancel a task: at once where it waits; where it runs, its handler is told',
    scope: 'operate',
    params,
    answers: {
      202: {
        description: '`requested`: it runs, and is told',
        schema: z.object({ id: z.string(), outcome: z.enum(['cancelled', 'requested']) }),
      },
    },
    problems: [404, 409],
    handle: async ({ principal, params: { id } }) => {
      requireScope(principal, 'operate')
      return { status: 202, body: { id, outcome: await worker.cancel(id) } }
    },
  })
}

function replay(worker: Worker): Route {
  return route({
    method: 'POST',
    path: '/tasks/{id}/replay',
    operationId: 'replayTask',
    summary: 'Put a failed or cancelled task back into the queue',
    scope: 'operate',
    params,
    answers: {
      202: {
        description: 'Queued again',
        schema: z.object({ id: z.string(), outcome: z.literal('replayed') }),
      },
    },
    problems: [404, 409],
    handle: async ({ principal, params: { id } }) => {
      requireScope(principal, 'operate')
      await worker.replay(id)
      return { status: 202, body: { id, outcome: 'replayed' } }
    },
  })
}
