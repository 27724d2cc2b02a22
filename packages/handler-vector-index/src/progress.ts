import type { TaskContext } from './task-context.js'

/** Says how far a task is, with its rate: `1,240 documents, 350/s`. The runtime writes it down at most twice a second, and never backwards. */
export interface ProgressReport {
  /** `done` of `total` documents; null: only the end will tell. */
  (done: number, total: number | null): void
}

interface ProgressOptions {
  /** Done by earlier deliveries: it does not count for the rate. Default 0. */
  readonly start?: number
  /** Done by earlier parts of the task: it stands in the numbers and not in the note. Default 0. */
  readonly before?: number
  /** What the note counts. Default `documents`. */
  readonly unit?: string
  readonly now?: () => number
}

export function createProgress(
  context: Pick<TaskContext, 'progress'>,
  { start = 0, before = 0, unit = 'documents', now = () => performance.now() }: ProgressOptions = {},
): ProgressReport {
  const startedAt = now()
  return (done, total) => {
    const seconds = (now() - startedAt) / 1000
    const rate = seconds > 0 && done > start ? `, ${thousands((done - start) / seconds)}/s` : ''
    context.progress(
      before + done,
      total === null ? null : before + total,
      `${thousands(done)} ${unit}${rate}`,
    )
  }
}

/** Made once: `toLocaleString` looks the language up at each call. */
const FORMAT = new Intl.NumberFormat('en-US')

function thousands(value: number): string {
  return FORMAT.format(value < 10 ? Math.round(value * 10) / 10 : Math.round(value))
}
