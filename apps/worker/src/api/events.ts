import { isFinal, isWorkerError, type Task, WorkerError, type Worker } from '@mcp-worker/runtime'
import { z } from 'zod'
import { requireScope } from './authorise.js'
import { EventStream, type Route, route } from './route.js'
import { taskIdSchema } from './task-json.js'
import { fromEventId, newsOf, toEventId, type Told } from './task-news.js'

/** How often a task is looked at; what its handler reports is stored at most twice a second. */
const LOOK_MS = 500
/** So that neither proxies nor clients take a quiet stream for a dead one. */
const HEARTBEAT_MS = 15_000
/** After which a client connects again. */
const RETRY_MS = 2_000

/** `GET /tasks/{id}/events`: server-sent events until the task is final. */
export function eventsRoute(worker: Worker): Route {
  return route({
    method: 'GET',
    path: '/tasks/{id}/events',
    operationId: 'taskEvents',
    summary:
      'What happens to a task, as server-sent events: `status` (the task), `progress`, `log`; ends with the task',
    scope: 'read',
    params: z.object({ id: taskIdSchema }),
    headers: z.object({
      'last-event-id': z
        .string()
        .max(2_048)
        .optional()
        .describe('Of the last event that was heard: it goes on after it'),
    }),
    answers: {
      200: { description: 'The stream', schema: z.string(), contentType: 'text/event-stream' },
      204: { description: 'The task is final and all was told: do not connect again' },
    },
    problems: [404],
    handle: async ({ principal, params: { id }, headers, signal }) => {
      requireScope(principal, 'read')
      const told = fromEventId(headers['last-event-id'])
      const task = await worker.get(id)
      if (task === null) throw new WorkerError('not_found', `there is no task ${id}`)
      if (isFinal(task.status) && newsOf(task, told).events.length === 0) return { status: 204, body: null }
      return { status: 200, body: new EventStream(follow(worker, task, told, signal)) }
    },
  })
}

/** Ends when the task is final or gone, or the signal aborts (the client left, the service closes). */
async function* follow(
  worker: Worker,
  first: Task,
  before: Told,
  signal: AbortSignal,
): AsyncGenerator<string> {
  yield `retry: ${RETRY_MS}\n\n`
  let told = before
  let task: Task | null = first
  let spokenAt = performance.now()
  while (task !== null) {
    const news = newsOf(task, told)
    told = news.told
    // the id stands with the last one: who is cut off before it hears them all again
    const last = news.events.length - 1
    for (const [index, { event, data }] of news.events.entries()) {
      yield `event: ${event}\n${index === last ? `id: ${toEventId(told)}\n` : ''}data: ${data}\n\n`
      spokenAt = performance.now()
    }
    if (isFinal(task.status)) return
    if (performance.now() - spokenAt > HEARTBEAT_MS) {
      yield ': still here\n\n'
      spokenAt = performance.now()
    }
    task = await nextLook(worker, task.id, signal)
  }
}

/** Null: it is gone, or nobody answers any more; a client connects again, to another worker perhaps. */
async function nextLook(worker: Worker, id: string, signal: AbortSignal): Promise<Task | null> {
  const since = performance.now()
  try {
    const task = await worker.wait(id, { timeoutMs: LOOK_MS, signal })
    // a worker that closes answers all who wait at once
    const isEarly = performance.now() - since < LOOK_MS / 2
    return task !== null && isEarly && !isFinal(task.status) ? null : task
  } catch (error) {
    if (isWorkerError(error)) return null
    throw error
  }
}
