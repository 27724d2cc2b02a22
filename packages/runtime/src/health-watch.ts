import { checkHealth, type HealthReport, type HealthSurroundings } from './health.js'
import type { Metrics } from './metrics.js'
import { repeat } from './repeat.js'
import type { Logger } from 'pino'

export interface HealthWatch {
  /** Runs the checks now and keeps the report; one metric, one log line. */
  readonly check: () => Promise<HealthReport>
  readonly last: () => HealthReport | null
  /** From here on every `intervalMs`. Answers when the first is done. */
  start(intervalMs: number): Promise<void>
  stop(): void
}

/** The timer calls the checks directly, so that busy slots cannot make them stale. */
export function createHealthWatch(around: HealthSurroundings, metrics: Metrics, logger: Logger): HealthWatch {
  let report: HealthReport | null = null
  let timer: { stop(): void } | null = null

  async function check(): Promise<HealthReport> {
    report = await checkHealth(around)
    metrics.health.set(report.ok ? 1 : 0)
    const failed = report.checks.filter(({ ok }) => !ok)
    if (failed.length === 0) logger.info({ status: 'healthy' }, 'health_check')
    else {
      const why = failed.map(({ name, detail }) => `${name}: ${String(detail['error'])}`)
      logger.warn({ status: 'unhealthy', failed: why }, 'health_check')
    }
    return report
  }
  return {
    check,
    last: () => report,
    async start(intervalMs) {
      await check()
      timer = repeat(intervalMs, check, logger, 'health_check_failed')
    },
    stop: () => timer?.stop(),
  }
}
