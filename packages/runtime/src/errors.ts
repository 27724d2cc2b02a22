/**
 * One table: code → what it says and what to do about it. Errors are matched by `code` (and by brand, `isWorkerError`), never by message
 * and never by class: a handler package may carry its own copy of this module. docs/errors.md is tested against the table.
 */
const ERRORS = {
  // submit
  unknown_type: 'Submit one of the known types, or add the plugin that has this one.',
  unknown_version: 'Submit a version that the handler knows, or deploy the worker that knows it first.',
  invalid_payload: 'Mend the payload as the faults say and submit again.',
  invalid_task: 'Mend what was sent as the faults say.',
  payload_too_large: 'Send a reference (a file, a URL) in place of the data, or split the task.',
  payload_too_deep: 'Flatten the payload: 64 levels at most.',
  forbidden_key: 'Remove the key `__proto__` from the JSON.',
  id_conflict: 'Choose another id, or submit the same payload as before to get the first task.',
  idempotency_conflict: 'Choose another key, or submit the same payload as before to get the first task.',
  queue_full: 'Come back after the time named in Retry-After.',
  draining: 'The worker is shutting down: ask another one, or this one again after its restart.',
  // store
  store_unavailable: 'Nothing was done. Check that the store can be reached, and try again.',
  outcome_unknown: 'It may have been done: ask with the same id or idempotency key before doing it again.',
  storage_full: 'Free disk space; tasks in hand can still finish.',
  store_failed:
    'The store reported an I/O error or corruption: check the disk, restore a backup if `doctor` says so.',
  store_newer: 'This file was written by a newer version: upgrade this worker, or give it a file of its own.',
  network_file_system: 'Put the file on a local disk; file locks cannot be trusted on a network file system.',
  pragma_refused:
    'SQLite did not accept a setting that durability depends on: use the Node.js that the package asks for.',
  queue_closed: 'Open the queue before using it.',
  bad_cursor: 'Start again from the first page.',
  // reading and steering
  not_found: 'Check the id; final tasks are pruned after their retention.',
  already_final: 'The task has ended; only a replay brings a failed or cancelled one back.',
  not_replayable: 'Only failed and cancelled tasks can be replayed.',
  unknown_query: 'Ask one of the known queries.',
  invalid_input: 'Mend the input as the faults say and ask again.',
  query_refused: 'The query cannot be answered as it was asked: see the message.',
  query_failed: 'See the message; the worker goes on.',
  // start
  handshake_failed: 'Mend every problem listed; the worker starts when none is left.',
  bad_configuration: 'Mend every fault listed and start again.',
  // how a delivery went
  handler_failed: 'The handler threw; see the message and its causes.',
  timed_out: 'Raise the timeout of the task or its handler, or make the work smaller.',
  invalid_result: 'The handler returned what its own result schema refuses: a defect of the handler.',
  result_too_large: 'Return a reference instead of the data: 256 KiB at most.',
  host_crashed: 'The thread of the plugin ended under the task (memory, process.exit, an uncaught error).',
  worker_crashed: 'The worker process ended while the task ran in it.',
  corrupt: 'The stored row does not match its hash: check the disk, submit the task again.',
  expired: 'It was not started before `expires_at`.',
  cancelled: 'Somebody asked to cancel it.',
  lease_lost: 'Another worker took the task over; this result was refused.',
  service_unavailable: 'The plugin that provides the service is not ready; the task is retried.',
  aborted: 'The work was stopped; the reason says by what.',
} as const

export type ErrorCode = keyof typeof ERRORS

export const ERROR_CODES = Object.keys(ERRORS) as readonly ErrorCode[]

/** What to do about an error of this code. */
export function remedyOf(code: ErrorCode): string {
  return ERRORS[code]
}

/** One thing wrong in a payload, an option or a configuration. `path` is a JSON path without `$` (`documents[3].id`), empty for the whole. */
export interface Fault {
  readonly path: string
  readonly message: string
}

interface WorkerErrorOptions {
  readonly cause?: unknown
  readonly faults?: readonly Fault[]
  /** Facts for the caller (known types, the id to retry with); never payloads. */
  readonly details?: Readonly<Record<string, unknown>>
  readonly retryAfterMs?: number
}

const BRAND = Symbol.for('@mcp-worker/error')

/** An error that the runtime raises. `message` says what was expected and what came; `remedy` what to do. */
export class WorkerError extends Error {
  override readonly name = 'WorkerError'
  readonly code: ErrorCode
  readonly faults: readonly Fault[]
  readonly details: Readonly<Record<string, unknown>>
  readonly retryAfterMs: number | null

  constructor(code: ErrorCode, message: string, options: WorkerErrorOptions = {}) {
    super(message, 'cause' in options ? { cause: options.cause } : undefined)
    this.code = code
    this.faults = options.faults ?? []
    this.details = options.details ?? {}
    this.retryAfterMs = options.retryAfterMs ?? null
    Object.defineProperty(this, BRAND, { value: true })
  }

  get remedy(): string {
    return ERRORS[this.code]
  }
}

export function isWorkerError(error: unknown): error is WorkerError {
  return typeof error === 'object' && error !== null && BRAND in error
}

const PERMANENT = Symbol.for('@mcp-worker/non-retryable')
const LATER = Symbol.for('@mcp-worker/retryable')

/** Thrown by a handler: trying again cannot help. The task is failed with `non_retryable`, one attempt charged. */
export class NonRetryableError extends Error {
  override readonly name = 'NonRetryableError'
  /** Kept as the task's error code. Default `handler_failed`. */
  readonly code: string

  constructor(message: string, options: { readonly code?: string; readonly cause?: unknown } = {}) {
    super(message, 'cause' in options ? { cause: options.cause } : undefined)
    this.code = options.code ?? 'handler_failed'
    Object.defineProperty(this, PERMANENT, { value: true })
  }
}

/** Thrown by a handler: try again, after `delayMs` if given, else after the backoff. One attempt is charged. */
export class RetryableError extends Error {
  override readonly name = 'RetryableError'
  readonly code: string
  readonly delayMs: number | null

  constructor(
    message: string,
    options: { readonly code?: string; readonly delayMs?: number; readonly cause?: unknown } = {},
  ) {
    super(message, 'cause' in options ? { cause: options.cause } : undefined)
    this.code = options.code ?? 'handler_failed'
    this.delayMs = options.delayMs ?? null
    Object.defineProperty(this, LATER, { value: true })
  }
}

export function isNonRetryable(error: unknown): boolean {
  return typeof error === 'object' && error !== null && PERMANENT in error
}

/** The delay that a `RetryableError` asks for in milliseconds; null: the backoff decides. */
export function retryDelayOf(error: unknown): number | null {
  if (typeof error !== 'object' || error === null || !(LATER in error)) return null
  return 'delayMs' in error && typeof error.delayMs === 'number' ? error.delayMs : null
}
