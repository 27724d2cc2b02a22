import type { Worker } from '@mcp-worker/runtime'
import type { Logger } from 'pino'

/** With LOG_LEVEL DEBUG: a line about the queue and one about resources, at every interval. */
export function startDebugReports(
  worker: Worker,
  log: Logger,
  resourceUse: () => Readonly<Record<string, number>>,
  intervalMs: number,
): { stop(): void } {
  if (!log.isLevelEnabled('debug')) return { stop: () => undefined }
  const report = async () => {
    log.debug(resourceUse(), 'resource_use')
    if (worker.notReady().length > 0) return
    const counts = await worker.counts()
    const { byType, oldestReadyAt, paused, suspects } = counts
    const oldest = oldestReadyAt === null ? null : new Date(oldestReadyAt).toISOString()
    log.debug({ by_type: byType, oldest_ready_at: oldest, paused, suspects }, 'queue_status')
  }
  const timer = setInterval(() => {
    report().catch((error: unknown) => log.debug({ err: error }, 'queue_status'))
  }, intervalMs)
  timer.unref()
  return { stop: () => clearInterval(timer) }
}
