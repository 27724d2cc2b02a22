import { NonRetryableError, RetryableError } from '@mcp-worker/runtime'

/** What ends a task: whether another try can help, and what to do. The README's table is tested against this one. */
const FAULTS = {
  UNKNOWN_TARGET: ['permanent', 'name one of the configured targets, or configure this one'],
  NOT_APPLICABLE: ['permanent', 'leave out what this kind of target has not'],
  OLDER_THAN_REQUIRED: ['permanent', 'give older_than in the payload, or olderThan to the target'],
  OLDER_THAN_BELOW_FLOOR: ['permanent', "give a larger age, or lower the target's minAge"],
  BAD_CURSOR: ['permanent', 'take next_cursor of a run with the same target and the same dry_run, or none'],
  ROOT_REFUSED: ['permanent', 'configure a folder that holds nothing else'],
  ROOT_LINKED: ['permanent', 'configure the path that the link leads to'],
  MOUNT_ROOT: ['permanent', 'set allowMountRoot if the whole file system is meant'],
  ROOT_UNREADABLE: ['retryable', 'let the worker read the folder'],
  DATABASE_REFUSED: ['permanent', "the worker's own queue prunes itself: see retention in its configuration"],
  DATABASE_MISSING: ['permanent', 'correct the path or the variable; nothing is created'],
  DATABASE_RULE: ['permanent', 'correct the prune rule as the message says'],
  INTEGRITY_FAILED: ['permanent', 'restore a backup; nothing was changed'],
  VACUUM_FULL_REFUSED: ['permanent', 'VACUUM FULL locks readers out: run it by hand in a maintenance window'],
  PG_MISSING: ['permanent', 'install the package pg beside this one'],
  DATABASE_BUSY: ['retryable', 'others kept the database locked'],
  DATABASE_UNAVAILABLE: ['retryable', 'see the message'],
  TASK_REFUSED: ['permanent', "correct the target's task as the message says"],
} as const satisfies Readonly<Record<string, readonly ['permanent' | 'retryable', string]>>

export type FaultCode = keyof typeof FAULTS

export const FAULT_CODES = Object.keys(FAULTS) as readonly FaultCode[]

export function kindOfFault(code: FaultCode): 'permanent' | 'retryable' {
  return FAULTS[code][0]
}

/** `message` says what was expected and what came; the remedy is added. */
export function fault(code: FaultCode, message: string, cause?: unknown): NonRetryableError | RetryableError {
  const [kind, remedy] = FAULTS[code]
  const options = cause === undefined ? { code } : { code, cause }
  const text = `${message}; ${remedy}`
  return kind === 'permanent' ? new NonRetryableError(text, options) : new RetryableError(text, options)
}
