import { isNonRetryable, isWorkerError, retryDelayOf } from '../errors.js'
import { describeFaults } from '../faults.js'
import { MAX_RESULT_BYTES, toJsonText } from '../json.js'
import type { AbortReason } from '../plugin.js'
import { faultyTaskError, toTaskError } from '../task-error.js'
import { check, type Checked } from './check.js'
import type { Outcome, Work } from './host.js'
import type { PreparedHandler } from './prepared-handler.js'
import { snoozedUntil, TaskContext, type Life, type Surroundings } from './task-context.js'

/**
 * Runs one delivery in this event loop: parse → migrate → check → run → check the result. Never rejects.
 *
 * Every task comes through here, so that the path of a synchronous schema has no await but the handler's own. An abort is only
 * seen here where the handler threw; the host, which watches the signal, has the last word (`afterAbort`).
 */
export async function execute(
  handler: PreparedHandler | undefined,
  work: Work,
  around: Surroundings,
  life: Life,
): Promise<Outcome> {
  let started = false
  try {
    const checking = handler === undefined ? unknownType(work) : checkPayload(handler, work)
    const payload = checking instanceof Promise ? await checking : checking
    if (handler === undefined || 'kind' in payload) return payload as Outcome
    started = true
    const returned = handler.spec.run(new TaskContext(payload.data, work, around, life))
    const value = isThenable(returned) ? await returned : returned
    life.closed = true
    const checked = checkResult(handler, value)
    return checked instanceof Promise ? await checked : checked
  } catch (thrown) {
    life.closed = true
    return started ? outcomeOfThrow(thrown, work) : refuse(thrown)
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function'
}

// ── the payload ───────────────────────────────────────────────────────────────────────────────────────────────────────

type Refused = Extract<Outcome, { kind: 'invalid_payload' }>
type Accepted = { readonly data: unknown }

function checkPayload(
  handler: PreparedHandler,
  work: Work,
): Accepted | Refused | Promise<Accepted | Refused> {
  let value: unknown
  try {
    value = JSON.parse(work.payload)
  } catch {
    // the parser's message quotes the payload
    return refused('the payload is not JSON')
  }
  if (work.version !== handler.newest) return migrate(handler, work.version, value)
  const checked = check(handler.newestSchema, value)
  return checked instanceof Promise ? checked.then((later) => judge(later)) : judge(checked)
}

function judge(checked: Checked, version?: number): Accepted | Refused {
  if (checked.success) return checked
  const what = version === undefined ? 'the payload' : `the payload, brought to version ${version},`
  const error = faultyTaskError(
    'invalid_payload',
    `${what} does not fit its schema`,
    describeFaults(checked.error),
  )
  return { kind: 'invalid_payload', error }
}

/** From the submitted version to the newest, one step at a time, each checked by its own schema. */
async function migrate(handler: PreparedHandler, from: number, given: unknown): Promise<Accepted | Refused> {
  if (!handler.schemas.has(from))
    return refused(`version ${from} of the payload is not known here`, 'unknown_version')
  let value = given
  for (const [version, schema] of handler.schemas) {
    if (version < from) continue
    const checked = judge(await check(schema, value), version)
    if ('kind' in checked || version === handler.newest) return checked
    const step = handler.spec.migrate?.[version]
    if (step === undefined) break
    value = await step(checked.data as never)
  }
  return refused(`there is no migration from version ${from} to ${handler.newest}`, 'unknown_version')
}

function refused(message: string, code = 'invalid_payload'): Refused {
  return { kind: 'invalid_payload', error: { code, message } }
}

function unknownType(work: Work): Refused {
  return refused(`this plugin has no handler for the type ${work.type}`, 'unknown_type')
}

/** A schema's transform or a migration threw: trying again gives the same. */
function refuse(thrown: unknown): Outcome {
  return { kind: 'invalid_payload', error: toTaskError(thrown, 'invalid_payload') }
}

// ── the end ───────────────────────────────────────────────────────────────────────────────────────────────────────────

const RESULT_LIMIT = { maxBytes: MAX_RESULT_BYTES, tooLarge: 'result_too_large', what: 'the result' } as const

function checkResult(handler: PreparedHandler, value: unknown): Outcome | Promise<Outcome> {
  try {
    const checked = check(handler.spec.result, value)
    return checked instanceof Promise ? checked.then(resultOf, defective) : resultOf(checked)
  } catch (thrown) {
    return defective(thrown)
  }
}

function resultOf(checked: Checked): Outcome {
  if (!checked.success) {
    const faults = describeFaults(checked.error)
    return defect(faultyTaskError('invalid_result', 'the result does not fit its schema', faults))
  }
  try {
    return { kind: 'succeeded', result: toJsonText(checked.data, RESULT_LIMIT) }
  } catch (thrown) {
    return defective(thrown)
  }
}

/** Of what `toJsonText` throws only the size has a code of its own; the others speak of payloads. */
function defective(thrown: unknown): Outcome {
  const error = toTaskError(thrown, 'invalid_result')
  const tooLarge = isWorkerError(thrown) && thrown.code === 'result_too_large'
  return defect(tooLarge ? error : { ...error, code: 'invalid_result' })
}

/** An attempt like any other: what a model or a service answered may fit the next time. */
function defect(error: { readonly code: string; readonly message: string }): Outcome {
  return { kind: 'threw', error, permanent: false, delayMs: null }
}

function outcomeOfThrow(thrown: unknown, work: Work): Outcome {
  const signal = work.signal()
  if (signal.aborted) return { kind: 'aborted', reason: abortReasonOf(signal), killed: false }
  const error = toTaskError(thrown, 'handler_failed')
  try {
    const until = snoozedUntil(thrown)
    if (until !== null) return { kind: 'snoozed', until }
    return { kind: 'threw', error, permanent: isNonRetryable(thrown), delayMs: retryDelayOf(thrown) }
  } catch {
    // a getter or proxy trap of the thrown value threw in turn
    return { kind: 'threw', error, permanent: false, delayMs: null }
  }
}

const REASONS: ReadonlySet<unknown> = new Set<AbortReason>(['timeout', 'cancel', 'shutdown', 'lease_lost'])

/** Why a `Work.signal` aborted. One that was not aborted with an `AbortedWork` counts as a shutdown, which charges nothing. */
export function abortReasonOf(signal: AbortSignal): AbortReason {
  const { reason } = (signal.reason ?? {}) as { readonly reason?: unknown }
  return REASONS.has(reason) ? (reason as AbortReason) : 'shutdown'
}

/** What counts when the work was told to stop and its handler then ended in time: a success, unless somebody else has the task. */
export function afterAbort(outcome: Outcome, reason: AbortReason): Outcome {
  if (outcome.kind === 'succeeded' && reason !== 'lease_lost') return outcome
  if (outcome.kind === 'invalid_payload') return outcome
  return { kind: 'aborted', reason, killed: false }
}
