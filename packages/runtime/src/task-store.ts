import type { Clock } from './clock.js'
import { defineService } from './plugin.js'
import type { QueueDriver } from './queue.js'
import { untilAborted, untilStored } from './until-stored.js'

/** A service that every worker provides: its queue, for plugins that keep house. */
export interface TaskStore {
  /**
   * Deletes final tasks that ended before `finishedBefore` (milliseconds since the epoch), oldest first, at most `max`. With `dryRun` it deletes
   * nothing and answers how many it would. While the store is away it waits, until the caller does not.
   */
  pruneResults(request: {
    readonly finishedBefore: number
    readonly max: number
    readonly dryRun: boolean
  }): Promise<{ readonly deleted: number }>
}

export const taskStore = defineService<TaskStore>('task-store')

/** After this time a call answers what it has done so far: the caller looks at its own signal and goes on. */
const CALL_MS = 1000

/** For one call: it waits for the store until the caller does not. */
export function createTaskStore(
  queue: Pick<QueueDriver, 'prune'>,
  clock: Clock,
  signal: AbortSignal,
): TaskStore {
  return {
    async pruneResults({ finishedBefore, max, dryRun }) {
      const old = { maxAgeMs: clock.wall() - finishedBefore, maxCount: Infinity }
      const options = { limit: max, deadlineMs: CALL_MS, dryRun }
      const prune = () => queue.prune({ succeeded: old, failed: old }, options)
      const { answer } = await untilStored(
        prune,
        untilAborted(() => signal),
      )
      return { deleted: answer }
    },
  }
}
