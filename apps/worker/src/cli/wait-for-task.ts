import { setTimeout as sleep } from 'node:timers/promises'
import { isFinal } from '@mcp-worker/runtime'
import { type ApiClient, RefusedError, type TaskJson, UnreachableError } from './api-client.js'
import { createProgressBar } from './progress-bar.js'
import type { Terminal } from './terminal.js'

/** How long one request may hold; on a terminal the bar moves at least once a second. */
const HOLD_SECONDS = { terminal: '1', pipe: '25' } as const
/** Between two tries while nobody answers. */
const TRY_AGAIN_MS = 500

interface Patience {
  /** How long nobody may answer, as while a worker is replaced. Default 60 s. */
  readonly patienceMs?: number
}

/**
 * Waits until the task is final, with a progress bar on a terminal, also while its worker is restarted: the task was accepted, and another
 * submit would double it. Ctrl-C stops the waiting, not the task: null then.
 */
export async function waitForTask(
  id: string,
  api: ApiClient,
  terminal: Terminal,
  { patienceMs = 60_000 }: Patience = {},
): Promise<TaskJson | null> {
  const interrupted = new AbortController()
  terminal.onInterrupt(() => interrupted.abort())
  const bar = createProgressBar(terminal)
  const wait = terminal.isTty ? HOLD_SECONDS.terminal : HOLD_SECONDS.pipe
  let silentSince: number | null = null
  try {
    for (;;) {
      const task = await api.get<TaskJson>(`/tasks/${id}`, { wait }, interrupted.signal).catch(passing)
      if (!isAway(task)) {
        silentSince = null
        bar.show(task)
        if (isFinal(task.status)) return task
        continue
      }
      if (silentSince === null)
        terminal.printError(`no answer at the moment, waiting on for the task ${id}\n`)
      silentSince ??= performance.now()
      if (performance.now() - silentSince >= patienceMs) throw task
      await sleep(TRY_AGAIN_MS, undefined, { signal: interrupted.signal })
    }
  } catch (error) {
    if (interrupted.signal.aborted) return null
    terminal.printError(`the task ${id} was accepted, its end is not known: mcp-worker get ${id}\n`)
    throw error
  } finally {
    bar.end()
  }
}

type Away = UnreachableError | RefusedError

/** Answers what will pass by itself: a worker that is shutting down, or not there yet. */
function passing(error: unknown): Away {
  if (error instanceof UnreachableError) return error
  if (error instanceof RefusedError && error.problem.status === 503) return error
  throw error
}

function isAway(answer: TaskJson | Away): answer is Away {
  return answer instanceof Error
}
