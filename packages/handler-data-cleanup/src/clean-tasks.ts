import { type TaskStore, isWorkerError } from '@mcp-worker/runtime'
import { fault } from './fault.js'
import type { TasksTarget } from './options.js'
import type { Payload } from './payload.js'
import { type Findings, nothingFound } from './result.js'
import { decideAgeMs } from './selection.js'
import type { TaskContext } from './task-context.js'

const REFUSALS = new Set([
  'unknown_type',
  'unknown_version',
  'invalid_payload',
  'invalid_task',
  'payload_too_large',
])

/** Asks other handlers to clean up what only they know. A redelivery asks for the same tasks, not for more. */
export async function askOthers(
  target: TasksTarget,
  payload: Payload,
  context: TaskContext,
): Promise<Findings> {
  const tasks: { type: string; id: string | null }[] = []
  for (const [i, task] of target.tasks.entries()) {
    context.signal.throwIfAborted()
    const id = payload.dry_run ? null : await submit(payload.target, task, `${i}`, context)
    tasks.push({ type: task.type, id })
  }
  return { ...nothingFound(), tasks }
}

async function submit(
  name: string,
  task: TasksTarget['tasks'][number],
  key: string,
  context: TaskContext,
): Promise<string> {
  try {
    return (await context.submit(task.type, task.payload, { key })).id
  } catch (error) {
    if (!isWorkerError(error) || !REFUSALS.has(error.code)) throw error
    const faults = error.faults.map(({ path, message }) => `${path}: ${message}`).join('; ')
    throw fault(
      'TASK_REFUSED',
      `target ${name}, tasks[${key}] (${task.type}): ${error.message} ${faults}`,
      error,
    )
  }
}

/** Tasks per call of the store, so that a cancel is heard in between. */
const PER_CALL = 1_000

export async function cleanTaskResults(
  target: { readonly olderThan?: string | undefined; readonly minAge: string },
  payload: Payload,
  { store, now }: { readonly store: TaskStore; readonly now: () => number },
  context: TaskContext,
): Promise<Findings> {
  const finishedBefore = now() - decideAgeMs(payload.target, target, payload.older_than)
  const limit = payload.max_files ?? Number.MAX_SAFE_INTEGER
  let deleted = 0
  for (;;) {
    context.signal.throwIfAborted()
    const max = Math.min(payload.dry_run ? limit : PER_CALL, limit - deleted)
    const answer = await store.pruneResults({ finishedBefore, max, dryRun: payload.dry_run })
    deleted += answer.deleted
    context.progress(deleted, null, 'results deleted')
    // a call may answer before it is through: only nothing means that nothing is left
    if (payload.dry_run || answer.deleted === 0 || deleted >= limit) break
  }
  const truncated = deleted >= limit
  return {
    ...nothingFound(),
    outcome: truncated ? 'partial' : 'done',
    scanned: deleted,
    matched: deleted,
    deleted,
    truncated_by: truncated ? 'max_files' : null,
  }
}
