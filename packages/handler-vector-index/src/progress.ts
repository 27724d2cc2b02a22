import type { TaskContext } from './task-context.js'

/** Says how far a task is, with its rate: `1,240 documents, 350/s`. The runtime writes it down at most twice a second, and never backwards. */
export interface ProgressReport {
  /** `done` of `total` documents; null: only the end will tell. */
  (done: number, total: number | null): void
}

/** `start`: what earlier deliveries have done; it does not count for the rate. */
export function createProgress(
  context: Pick<TaskContext, 'progress'>,
  start: number,
  { unit = 'documents', now = () => performance.now() }: { unit?: string; now?: () => number } = {},
): ProgressReport {
  const startedAt = now()
  return (done, total) => {
    const seconds = (now() - startedAt) / 1000
    const rate = seconds > 0 && done > start ? `, ${thousands((done - start) / seconds)}/s` : ''
    context.progress(done, total, `${thousands(done)} ${unit}${rate}`)
  }
}

function thousands(value: number): string {
  return (value < 10 ? Math.round(value * 10) / 10 : Math.round(value)).toLocaleString('en-US')
}
