import { isFinal } from '@mcp-worker/runtime'
import type { ApiClient, TaskJson } from './api-client.js'
import { createProgressBar } from './progress-bar.js'
import type { Terminal } from './terminal.js'

/** How long one request may hold; on a terminal the bar moves at least once a second. */
const HOLD_SECONDS = { terminal: '1', pipe: '25' } as const

/** Waits until the task is final, with a progress bar on a terminal. Ctrl-C stops the waiting, not the task: null then. */
export async function waitForTask(id: string, api: ApiClient, terminal: Terminal): Promise<TaskJson | null> {
  const interrupted = new AbortController()
  terminal.onInterrupt(() => interrupted.abort())
  const bar = createProgressBar(terminal)
  const wait = terminal.isTty ? HOLD_SECONDS.terminal : HOLD_SECONDS.pipe
  try {
    for (;;) {
      const task = await api.get<TaskJson>(`/tasks/${id}`, { wait }, interrupted.signal)
      bar.show(task)
      if (isFinal(task.status)) return task
    }
  } catch (error) {
    if (interrupted.signal.aborted) return null
    throw error
  } finally {
    bar.end()
  }
}
