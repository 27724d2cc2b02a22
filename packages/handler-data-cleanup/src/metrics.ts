import type { PluginMetrics } from '@mcp-worker/runtime'
import type { FreeSpace } from './files/pressure.js'
import type { CleanupResult } from './payload.js'

/** The instruments of this package, exposed as `mcp_worker_data_cleanup_…`. Targets are names from the configuration. */
export const INSTRUMENTS = {
  runs_total: 'Runs by target and outcome; failed ones as `failed`',
  deleted_total: 'Files and links deleted',
  freed_bytes_total: 'Bytes given back to file systems',
  rows_deleted_total: 'Rows deleted from databases',
  kept_total: 'Entries that were looked at and kept, by reason',
  errors_total: 'Entries that could not be deleted',
  run_seconds: 'Seconds per run',
  last_success_timestamp_seconds: 'When the last run that left nothing undone ended, seconds since the epoch',
  disk_free_bytes: "Free bytes of the target's file system, at the last health check or run",
  disk_free_ratio: "Free share of the target's file system, 0 to 1",
} as const

export interface CleanupMetrics {
  ran(result: CleanupResult, seconds: number): void
  failed(target: string, seconds: number): void
  free(target: string, space: FreeSpace): void
}

const SECONDS = [0.01, 0.05, 0.1, 0.5, 1, 5, 15, 60, 300, 900, 1_800]

export function createCleanupMetrics(metrics: PluginMetrics): CleanupMetrics {
  const counter = <L extends string>(name: keyof typeof INSTRUMENTS, ...labels: readonly L[]) =>
    metrics.counter({ name, help: INSTRUMENTS[name], labels })
  const gauge = (name: keyof typeof INSTRUMENTS) =>
    metrics.gauge({ name, help: INSTRUMENTS[name], labels: ['target'] })
  const runs = counter('runs_total', 'target', 'outcome')
  const deleted = counter('deleted_total', 'target')
  const freed = counter('freed_bytes_total', 'target')
  const rows = counter('rows_deleted_total', 'target')
  const kept = counter('kept_total', 'target', 'reason')
  const errors = counter('errors_total', 'target')
  const seconds = metrics.histogram({
    name: 'run_seconds',
    help: INSTRUMENTS.run_seconds,
    labels: ['target'],
    buckets: SECONDS,
  })
  const succeeded = gauge('last_success_timestamp_seconds')
  const freeBytes = gauge('disk_free_bytes')
  const freeRatio = gauge('disk_free_ratio')
  return {
    ran(result, took) {
      const { target, outcome } = result
      runs.inc({ target, outcome })
      seconds.observe(took, { target })
      if (result.dry_run) return
      deleted.inc({ target }, result.deleted)
      freed.inc({ target }, result.bytes_freed)
      rows.inc(
        { target },
        result.databases.reduce((sum, { rows_deleted }) => sum + rows_deleted, 0),
      )
      errors.inc({ target }, result.error_count)
      for (const [reason, n] of Object.entries(result.skipped)) kept.inc({ target, reason }, n)
      if (outcome === 'done' || outcome === 'not_needed') succeeded.set(Date.now() / 1000, { target })
    },
    failed(target, took) {
      runs.inc({ target, outcome: 'failed' })
      seconds.observe(took, { target })
    },
    free(target, { freeBytes: bytes, totalBytes }) {
      freeBytes.set(bytes, { target })
      freeRatio.set(totalBytes === 0 ? 0 : bytes / totalBytes, { target })
    },
  }
}
