import type { Clock } from './clock.js'
import { describeQuery, describeType, type QueryInfo, type TypeInfo } from './describe.js'
import { isWorkerError, WorkerError } from './errors.js'
import { nearestName } from './nearest-name.js'
import type { QueueDriver } from './queue.js'
import type { Registry } from './registry.js'
import {
  acceptedOf,
  allAccepted,
  prepareTask,
  prepareTasks,
  type Accepted,
  type Submission,
} from './submit.js'
import { toTaskError } from './task-error.js'
import type { Waits } from './wait.js'
import type { Logger } from 'pino'

/** How long one look waits for the end of a task before it looks again. */
const LOOK_MS = 60_000

/** What callers ask of a worker; `worker.ts` says what each member does. */
export interface FrontDoor {
  submit(submission: Submission): Promise<Accepted>
  submitMany(submissions: readonly Submission[]): Promise<readonly Accepted[]>
  resultOf(id: string, signal?: AbortSignal): Promise<unknown>
  cancel(id: string): Promise<'cancelled' | 'requested'>
  replay(id: string): Promise<void>
  types(): Promise<readonly TypeInfo[]>
  queries(): readonly QueryInfo[]
  query(name: string, input: unknown, signal?: AbortSignal): Promise<unknown>
}

export interface FrontDoorAround {
  readonly queue: QueueDriver
  readonly registry: Registry
  readonly clock: Clock
  readonly waits: Waits
  readonly logger: Logger
}

export function createFrontDoor({ queue, registry, clock, waits, logger }: FrontDoorAround): FrontDoor {
  return {
    async submit(submission) {
      const [answer] = await queue.submit([prepareTask(submission, registry, clock)])
      return acceptedOf(answer!)
    },
    async submitMany(submissions) {
      return allAccepted(await queue.submit(prepareTasks(submissions, registry, clock)))
    },
    async types() {
      const paused = new Set((await queue.counts()).paused)
      return [...registry.types.values()].map((known) => describeType(known, paused.has(known.type)))
    },
    queries: () => [...registry.queries.values()].map(describeQuery),
    async cancel(id) {
      const answer = await queue.requestCancel(id)
      if (answer === 'not_found') throw new WorkerError('not_found', `there is no task ${id.slice(0, 128)}`)
      if (answer === 'final') throw new WorkerError('already_final', 'the task has ended already')
      waits.notify(id)
      return answer
    },
    async replay(id) {
      const answer = await queue.replay(id)
      if (answer === 'not_found') throw new WorkerError('not_found', `there is no task ${id.slice(0, 128)}`)
      if (answer === 'not_replayable') {
        throw new WorkerError('not_replayable', 'the task has not failed and was not cancelled')
      }
    },
    query: (name, input, signal) =>
      ask(registry, logger, { name, input, signal: signal ?? new AbortController().signal }),
    async resultOf(id, signal) {
      for (;;) {
        signal?.throwIfAborted()
        const task = await waits.wait(id, { timeoutMs: LOOK_MS, ...(signal && { signal }) })
        if (!task) throw new WorkerError('not_found', `task ${id} is not in the queue any more`)
        if (task.status === 'succeeded') return JSON.parse(task.result ?? 'null')
        if (task.status === 'cancelled') throw new WorkerError('cancelled', `task ${id} was cancelled`)
        if (task.status === 'failed') throw failureOf(id, task.failureReason, task.error)
        if (waits.isClosed()) throw new WorkerError('draining', `the worker stopped before task ${id} ended`)
      }
    },
  }
}

async function ask(
  registry: Registry,
  logger: Logger,
  { name, input, signal }: { readonly name: string; readonly input: unknown; readonly signal: AbortSignal },
): Promise<unknown> {
  const known = registry.queries.get(name)
  if (!known) {
    const names = [...registry.queries.keys()]
    const nearest = nearestName(name, names)
    const hint = nearest ? `; did you mean ${nearest}?` : ''
    const message = `no plugin of this worker has the query "${name.slice(0, 64)}"${hint}`
    throw new WorkerError('unknown_query', message, { details: { known_queries: names } })
  }
  try {
    return await known.host.query(name, input, signal)
  } catch (error) {
    if (isWorkerError(error) && error.code === 'query_failed') {
      logger.warn({ query: name, error: error.message, cause: causeOf(error) }, 'query_failed')
    }
    throw error
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
