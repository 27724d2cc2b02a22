import { Counter, Gauge, Histogram, type Registry } from 'prom-client'
import type { Recovered } from './queue.js'

const PROCESSED_STATUSES = [
  'success',
  'failed',
  'retried',
  'cancelled',
  'released',
  'snoozed',
  'crashed',
] as const

/** How one delivery ended, as the label `status` says it: one per delivery. */
export type ProcessedStatus = (typeof PROCESSED_STATUSES)[number]

const RECOVERED_WHY: readonly Recovered['why'][] = ['owner_died', 'lease_ended', 'machine_restarted']

const SECONDS = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600]
const COMMIT_SECONDS = [0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1]

export type Metrics = ReturnType<typeof createMetrics>

/** The instruments, and nothing else. `sample` is called once at each scrape, and the gauges it sets are read after it. */
export function createMetrics(registry: Registry, sample: () => Promise<void>) {
  const registers = [registry]
  const collect = oncePerScrape(sample)
  const of = <L extends string>(name: string, help: string, ...labelNames: L[]) => ({
    name,
    help,
    labelNames,
    registers,
  })
  return {
    processed: new Counter(
      of('mcp_worker_tasks_processed_total', 'Deliveries by how they ended', 'task_type', 'status'),
    ),
    failedAttempts: new Counter(
      of('mcp_worker_tasks_failed_total', 'Failed attempts, final or retried', 'task_type'),
    ),
    duration: new Histogram({
      ...of('mcp_worker_task_duration_seconds', 'From the start of a delivery to its end', 'task_type'),
      buckets: SECONDS,
    }),
    wait: new Histogram({
      ...of(
        'mcp_worker_task_wait_seconds',
        'From the time a task could have been claimed to its claim',
        'task_type',
      ),
      buckets: SECONDS,
    }),
    active: new Gauge(of('mcp_worker_active_tasks', 'Deliveries in hand in this process')),
    health: new Gauge(of('mcp_worker_health', '1: the last health check passed, 0: it did not')),
    depth: new Gauge({
      ...of('mcp_worker_queue_tasks', 'Tasks in the queue', 'task_type', 'status'),
      collect,
    }),
    oldestReady: new Gauge({
      ...of('mcp_worker_queue_oldest_ready_seconds', 'Age of the oldest task that could be claimed'),
      collect,
    }),
    unroutable: new Gauge({
      ...of(
        'mcp_worker_tasks_unroutable',
        'Waiting tasks whose type or version this worker cannot run',
        'task_type',
      ),
      collect,
    }),
    crashes: new Counter(of('mcp_worker_host_crashes_total', 'Threads that died under a task', 'task_type')),
    recovered: new Counter(
      of(
        'mcp_worker_tasks_recovered_total',
        'Tasks in hand of a worker that died or was suspended, taken back by this one',
        'why',
      ),
    ),
    staleSettles: new Counter(
      of(
        'mcp_worker_stale_settles_total',
        'Results that were refused: the delivery was not current any more',
      ),
    ),
    abandoned: new Counter(
      of('mcp_worker_abandoned_handlers_total', 'Inline handlers that ignored their signal', 'task_type'),
    ),
    loopLag: new Gauge({
      ...of(
        'mcp_worker_event_loop_lag_seconds',
        'Delay of the main loop, 99th percentile of the last half to whole minute',
      ),
      collect,
    }),
    diskFree: new Gauge({
      ...of('mcp_worker_disk_free_bytes', 'Free space where DATA_DIR is, and the temporary folder', 'disk'),
      collect,
    }),
    scheduleFired: new Counter(
      of('mcp_worker_schedule_fired_total', 'Tasks that a schedule submitted from this process', 'schedule'),
    ),
    scheduleFailures: new Counter(
      of(
        'mcp_worker_schedule_failures_total',
        'Failed submits of a schedule; each is tried again until the next instant',
        'schedule',
      ),
    ),
    commit: new Histogram({
      ...of('mcp_worker_store_commit_seconds', 'Duration of the transactions of the store, with their fsync'),
      buckets: COMMIT_SECONDS,
    }),
  }
}

/** A registry asks all its gauges in one turn of the loop: they share one sample, and each waits for it. */
function oncePerScrape(sample: () => Promise<void>): () => Promise<void> {
  let current: Promise<void> | null = null
  return () => (current ??= sample().finally(() => (current = null)))
}

/** So that a first failure is an increase from 0: a series that begins at 1 has no rate. */
export function startAtZero(
  metrics: Metrics,
  { types, schedules }: { readonly types: Iterable<string>; readonly schedules: Iterable<string> },
): void {
  for (const why of RECOVERED_WHY) metrics.recovered.inc({ why }, 0)
  for (const schedule of schedules) {
    for (const counter of [metrics.scheduleFired, metrics.scheduleFailures]) counter.inc({ schedule }, 0)
  }
  for (const type of types) {
    const labels = { task_type: type }
    for (const status of PROCESSED_STATUSES) metrics.processed.inc({ ...labels, status }, 0)
    for (const counter of [metrics.failedAttempts, metrics.crashes, metrics.abandoned]) counter.inc(labels, 0)
    for (const histogram of [metrics.duration, metrics.wait]) histogram.zero(labels)
  }
}
