import { createHash, randomUUID } from 'node:crypto'
import { LATEST_DATE_MS, type Clock } from './clock.js'
import { parseDuration } from './duration.js'
import { isWorkerError, WorkerError, type Fault } from './errors.js'
import { describeFaults, KEEP_INPUT } from './faults.js'
import { MAX_PAYLOAD_BYTES, toJsonText } from './json.js'
import { nearestName } from './nearest-name.js'
import type { Duration } from './plugin.js'
import type { SubmitAnswer } from './queue.js'
import type { KnownType, Registry } from './registry.js'
import type { NewTask, TaskStatus } from './task.js'

export interface SubmitOptions {
  /** Default: a new UUIDv7. `[A-Za-z0-9][A-Za-z0-9._:-]{0,127}` */
  readonly id?: string
  /** Default: the newest that the handler has. */
  readonly version?: number
  /** −100 … 100, default 0; one point is worth a minute of waiting. */
  readonly priority?: number
  readonly runAt?: Date
  readonly delay?: Duration
  readonly maxAttempts?: number
  readonly timeout?: Duration
  /** Not started by then: failed with `expired`. */
  readonly expiresAt?: Date
  readonly idempotency?: { readonly scope?: string; readonly key: string }
}

export interface Submission extends SubmitOptions {
  readonly type: string
  readonly payload: unknown
}

/** Of a duplicate whose task was pruned already, `status` is null. */
export interface Accepted {
  readonly id: string
  readonly type: string
  readonly status: TaskStatus | null
  /** Milliseconds since the epoch. */
  readonly createdAt: number
  /** True: this submit made no task; the first one with the same id or key is answered. */
  readonly duplicate: boolean
}

const ID = /^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$/
const LIMIT = { maxBytes: MAX_PAYLOAD_BYTES, tooLarge: 'payload_too_large', what: 'the payload' } as const

/** Time-ordered (UUIDv7, RFC 9562): new rows go to the right edge of the id's index. */
export function newTaskId(now: number): string {
  const time = now.toString(16).padStart(12, '0')
  // a version 4 UUID's random part, of which node keeps a supply
  const random = randomUUID()
  return `${time.slice(0, 8)}-${time.slice(8)}-7${random.slice(15)}`
}

/** The same parent and key always give the same child. */
export function childTaskId(parentId: string, key: string): string {
  return `c-${createHash('sha256').update(`${parentId}\n${key}`).digest('base64url').slice(0, 32)}`
}

/** Everything wrong with a submission, or the task that it makes. Throws the `WorkerError` that a submitter is to see, all faults at once. */
export function prepareTask(submission: Submission, registry: Registry, clock: Clock): NewTask {
  const known = registry.types.get(submission.type)
  if (!known) throw unknownType(submission.type, registry)
  const version = submission.version ?? known.newest
  const schema = known.schemas.get(version)
  if (!schema) throw unknownVersion(version, known)
  const faults = optionFaults(submission)
  if (faults.length > 0)
    throw new WorkerError('invalid_task', 'the options of the submit are wrong', { faults })
  const payload = toJsonText(submission.payload, LIMIT)
  checkPayload(submission.payload, known, version)
  return newTask(submission, known, { version, payload, now: clock.wall() })
}

function newTask(
  submission: Submission,
  known: KnownType,
  { version, payload, now }: { version: number; payload: string; now: number },
): NewTask {
  const { delay, timeout, expiresAt, idempotency } = submission
  return {
    id: submission.id ?? newTaskId(now),
    type: submission.type,
    version,
    payload,
    priority: submission.priority ?? 0,
    runAt: submission.runAt?.getTime() ?? now + (delay === undefined ? 0 : Math.round(parseDuration(delay))),
    maxAttempts: submission.maxAttempts ?? known.maxAttempts,
    timeoutMs: timeout === undefined ? null : Math.ceil(parseDuration(timeout)),
    expiresAt: expiresAt?.getTime() ?? null,
    idempotency: idempotency ? { scope: idempotency.scope ?? '', key: idempotency.key } : null,
  }
}

function checkPayload(payload: unknown, known: KnownType, version: number): void {
  const result = known.schemas.get(version)!.safeParse(payload, KEEP_INPUT)
  if (result.success) return
  throw new WorkerError('invalid_payload', `the payload does not fit ${known.type} version ${version}`, {
    faults: describeFaults(result.error, 'payload'),
  })
}

function unknownType(type: string, { types }: Registry): WorkerError {
  const known = [...types.keys()]
  const nearest = nearestName(type, known)
  const hint = nearest ? `; did you mean ${nearest}?` : ''
  return new WorkerError(
    'unknown_type',
    `no plugin of this worker has the type "${type.slice(0, 64)}"${hint}`,
    {
      details: { known_types: known },
    },
  )
}

function unknownVersion(version: number, { type, versions }: KnownType): WorkerError {
  return new WorkerError('unknown_version', `${type} has no version ${version}`, {
    details: { known_versions: versions },
  })
}

function optionFaults(submission: Submission): Fault[] {
  const faults: Fault[] = []
  const expect = (ok: boolean, path: string, message: string) => {
    if (!ok) faults.push({ path, message })
  }
  const { id, priority = 0, maxAttempts = 1, runAt, delay, timeout, expiresAt, idempotency } = submission
  expect(
    id === undefined || ID.test(id),
    'id',
    'expected 1 … 128 characters of A-Z a-z 0-9 . _ : -, a letter or digit first',
  )
  expect(
    Number.isInteger(priority) && Math.abs(priority) <= 100,
    'priority',
    'expected a whole number from -100 to 100',
  )
  expect(
    Number.isInteger(maxAttempts) && maxAttempts >= 1 && maxAttempts <= 1000,
    'max_attempts',
    'expected 1 … 1,000',
  )
  expect(runAt === undefined || delay === undefined, 'delay', 'expected run_at or delay, got both')
  expect(runAt === undefined || !Number.isNaN(runAt.getTime()), 'run_at', 'expected a valid date')
  expect(expiresAt === undefined || !Number.isNaN(expiresAt.getTime()), 'expires_at', 'expected a valid date')
  expect(isDuration(delay), 'delay', 'expected a duration such as "30s", "5m", "24h", or milliseconds')
  expect(
    isDuration(timeout) && timeout !== 0,
    'timeout',
    'expected a duration above zero such as "30s", "5m", "24h", or milliseconds',
  )
  const key = idempotency?.key
  expect(
    key === undefined || (key.length >= 1 && key.length <= 255),
    'idempotency_key',
    'expected 1 … 255 characters',
  )
  return faults
}

function isDuration(duration: Duration | undefined): boolean {
  if (duration === undefined) return true
  try {
    // half of what a date can hold: the other half is for now
    return parseDuration(duration) <= LATEST_DATE_MS / 2
  } catch {
    return false
  }
}

/** Prepares all, or throws one error with the faults of every item. */
export function prepareTasks(
  submissions: readonly Submission[],
  registry: Registry,
  clock: Clock,
): NewTask[] {
  const faults: Fault[] = []
  let first: WorkerError | null = null
  const tasks = submissions.flatMap((submission, index) => {
    try {
      return [prepareTask(submission, registry, clock)]
    } catch (error) {
      if (!isWorkerError(error)) throw error
      first ??= error
      faults.push(...faultsOfItem(error, index))
      return []
    }
  })
  if (!first) return tasks
  const { code, details } = first as WorkerError
  throw new WorkerError(code, `${faults.length} faults in the batch; nothing was accepted`, {
    faults,
    details,
  })
}

function faultsOfItem(error: WorkerError, index: number): Fault[] {
  const at = `tasks[${index}]`
  if (error.faults.length === 0) return [{ path: at, message: `${error.code}: ${error.message}` }]
  return error.faults.map(({ path, message }) => ({ path: path === '' ? at : `${at}.${path}`, message }))
}

/** The accepted task, or the refusal as the submitter is to see it. */
export function acceptedOf(answer: SubmitAnswer): Accepted {
  switch (answer.kind) {
    case 'accepted':
      return { ...answer.task, duplicate: false }
    case 'duplicate':
      return { ...answer.task, duplicate: true }
    case 'full':
      throw new WorkerError('queue_full', `${answer.waiting} tasks wait already`, {
        retryAfterMs: answer.retryAfterMs,
      })
    case 'conflict': {
      const code = answer.by === 'id' ? 'id_conflict' : 'idempotency_conflict'
      throw new WorkerError(code, `the ${answer.by} belongs to another task`, { details: { id: answer.id } })
    }
    case 'not_submitted':
      throw new WorkerError('invalid_task', 'another task of the same submit was refused')
  }
}

/** Of several answers the first refusal speaks for all. */
export function allAccepted(answers: readonly SubmitAnswer[]): Accepted[] {
  const refusal = answers.findIndex((answer) => answer.kind === 'conflict' || answer.kind === 'full')
  if (refusal === -1) return answers.map(acceptedOf)
  try {
    acceptedOf(answers[refusal]!)
  } catch (error) {
    if (!isWorkerError(error) || error.code === 'queue_full') throw error
    const faults = [{ path: `tasks[${refusal}]`, message: error.message }]
    throw new WorkerError(error.code, `tasks[${refusal}]: ${error.message}; nothing was accepted`, {
      faults,
      details: error.details,
    })
  }
  return []
}
