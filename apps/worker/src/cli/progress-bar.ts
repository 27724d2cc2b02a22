import type { TaskSummaryJson } from './api-client.js'
import { plain, type Terminal } from './terminal.js'

export interface ProgressBar {
  show(task: Pick<TaskSummaryJson, 'type' | 'status' | 'progress' | 'attempts'>): void
  /** Leaves the line as it is and ends it. */
  end(): void
}

const CELLS = 24

/** One line, drawn over itself, and only on a terminal. */
export function createProgressBar(terminal: Terminal): ProgressBar {
  if (!terminal.isTty) return { show: () => undefined, end: () => undefined }
  let isDrawn = false
  return {
    show: (task) => {
      isDrawn = true
      // back to the first column, and clear to the end
      terminal.printError(`\r${line(task).slice(0, terminal.columns() - 1)}\u001b[K`)
    },
    end: () => {
      if (isDrawn) terminal.printError('\n')
    },
  }
}

function line({ type, status, progress, attempts }: Parameters<ProgressBar['show']>[0]): string {
  const tries = attempts > 0 ? `, ${attempts} failed` : ''
  const head = `${type} ${status}${tries}`
  if (progress === null) return head
  const note = progress.note === null ? '' : ` ${plain(progress.note)}`
  if (progress.total === null || progress.total <= 0) return `${head} ${progress.done}${note}`
  const share = Math.min(1, Math.max(0, progress.done / progress.total))
  const full = Math.round(share * CELLS)
  const bar = '█'.repeat(full) + '░'.repeat(CELLS - full)
  return `${head} ${bar} ${Math.floor(share * 100)}% ${progress.done}/${progress.total}${note}`
}
