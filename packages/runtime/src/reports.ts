import type { Logger } from 'pino'
import { WorkerError } from './errors.js'
import type { WorkReports } from './host/host.js'
import { raceAbort } from './host/race-abort.js'
import { cleanText, pluginLog } from './logger.js'
import type { PluginLog } from './plugin.js'
import type { QueueDriver, Report } from './queue.js'
import type { LogLine, Progress } from './task.js'
import { untilStored } from './until-stored.js'

/** Progress and log lines are written at most this often; what comes in between is folded. */
const WRITE_EVERY_MS = 500

/** The queue keeps no more of a task: a handler that logs faster than they are written must not fill the memory. */
const MOST_LINES = 100

export interface DeliveryReports extends WorkReports {
  /** Posts what has not been written yet. Call right before the settle: both then travel together. */
  flush(): void
  /**
   * Resolves when checkpoints and children that the handler did not wait for itself have been answered, or the delivery is stopped; null where there
   * are none. Call before the settle: after it they would come too late, and reject to nobody.
   */
  answered(signal: () => AbortSignal): Promise<unknown> | null
}

interface ReportsAround {
  readonly queue: Pick<QueueDriver, 'record'>
  readonly logger: Logger
  readonly submit: WorkReports['submit']
  /** The code of the delivery just acted. */
  readonly onAct: () => void
  readonly onLost: () => void
  /** Before the store is asked again: false where the delivery was stopped meanwhile. */
  readonly pause: (ms: number) => Promise<boolean>
}

/**
 * What a handler says while it works, on its way to the queue under the delivery's fence. A store that is away for a moment is no fault of the
 * handler: its checkpoints and children, which may be sent twice, wait until it is back or the delivery is stopped.
 */
export function createReports(
  delivery: { readonly fence: string; readonly taskId: string; readonly type: string },
  around: ReportsAround,
): DeliveryReports {
  const { queue, onAct, onLost, pause } = around
  let progress: Progress | null = null
  let lastProgress: Progress | null = null
  let lastCheckpoint: string | null = null
  let lines: LogLine[] = []
  let timer: NodeJS.Timeout | null = null
  const unanswered = new Set<Promise<unknown>>()

  function follow<T>(call: Promise<T>): Promise<T> {
    const forget = () => void unanswered.delete(call)
    unanswered.add(call)
    call.then(forget, forget)
    return call
  }

  async function keep(checkpoint: string | null): Promise<void> {
    lastCheckpoint = checkpoint
    const report = take()
    // always what was said last: where this one had to wait, a later one may be stored already
    const newest = (): Report => ({
      ...report,
      ...(report?.progress && { progress: lastProgress ?? report.progress }),
      checkpoint: lastCheckpoint,
    })
    const { answer } = await untilStored(() => queue.record(delivery.fence, newest()), pause)
    if (answer === 'recorded') return
    onLost()
    throw new WorkerError(
      'lease_lost',
      'the task was handed to another worker: the checkpoint was not stored',
    )
  }

  async function submit(...child: Parameters<WorkReports['submit']>) {
    const { answer } = await untilStored(() => around.submit(...child), pause)
    return answer
  }

  function take(): Report | null {
    if (timer) clearTimeout(timer)
    timer = null
    if (!progress && lines.length === 0) return null
    const report = { ...(progress && { progress }), ...(lines.length > 0 && { log: lines }) }
    progress = null
    lines = []
    return report
  }

  /** A report that cannot be stored is no fault of the handler; the lease's own checks decide about the delivery. */
  function write(report: Report): void {
    queue.record(delivery.fence, report).then(
      (answer) => answer === 'stale' && onLost(),
      (error: unknown) =>
        around.logger.debug({ task_id: delivery.taskId, error: String(error) }, 'report_not_stored'),
    )
  }

  function flush(): void {
    const report = take()
    if (report) write(report)
  }

  function writeSoon(): void {
    timer ??= setTimeout(flush, WRITE_EVERY_MS)
  }

  return {
    log: recordingLog(around.logger, delivery, (line) => {
      onAct()
      lines.push(line)
      if (lines.length >= 2 * MOST_LINES) lines = lines.slice(-MOST_LINES)
      writeSoon()
    }),
    flush,
    progress(latest) {
      onAct()
      progress = lastProgress = latest
      writeSoon()
    },
    checkpoint(checkpoint) {
      onAct()
      return follow(keep(checkpoint))
    },
    submit(...child) {
      onAct()
      return follow(submit(...child))
    },
    answered(signal) {
      if (unanswered.size === 0) return null
      return raceAbort(Promise.allSettled(unanswered), signal()).catch(() => {})
    },
  }
}

/** Made on first use: most tasks never log. */
function recordingLog(
  logger: Logger,
  delivery: { readonly taskId: string; readonly type: string },
  keep: (line: LogLine) => void,
): PluginLog {
  let lines: PluginLog | null = null
  const at = (level: LogLine['level']) => (event: string, fields?: Readonly<Record<string, unknown>>) => {
    lines ??= pluginLog(logger, { task_id: delivery.taskId, task_type: delivery.type })
    lines[level](event, fields)
    if (logger.isLevelEnabled(level)) keep({ at: Date.now(), level, event: cleanText(event.slice(0, 500)) })
  }
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
}
