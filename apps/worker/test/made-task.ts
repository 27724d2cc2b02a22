import type { Task } from '@mcp-worker/runtime'

/** A task as a queue would show it, queued at the epoch. */
export function madeTask(fields: Partial<Task> = {}): Task {
  return {
    id: 't',
    type: 'echo',
    version: 1,
    payload: '{}',
    priority: 0,
    runAt: 0,
    readyAt: 0,
    maxAttempts: 5,
    timeoutMs: null,
    expiresAt: null,
    attempts: 0,
    crashes: 0,
    releases: 0,
    snoozes: 0,
    deliveries: 0,
    status: 'queued',
    cancelRequested: false,
    progress: null,
    result: null,
    error: null,
    failureReason: null,
    log: [],
    createdAt: 0,
    startedAt: null,
    finishedAt: null,
    ...fields,
  }
}
