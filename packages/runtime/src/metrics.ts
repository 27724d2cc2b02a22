import { Counter, Gauge, Histogram, type Registry } from 'prom-client'

/** How one delivery ended, as the label `status` says it: one per delivery. */
export type ProcessedStatus =
  | 'success'
  | 'failed'
  | 'retried'
  | 'cancelled'
  | 'released'
  | 'snoozed'
  | 'crashed'

const SECONDS = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600]
const COMMIT_SECONDS = [0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1]

export type Metrics = ReturnType<typeof createMetrics>

/** The instruments, and nothing else. `onCollect` is called at each scrape, before the values are read. */
export function createMetrics(registry: Registry, onCollect: () => Promise<void>) {
  const registers = [registry]
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
      collect: onCollect,
    }),
    oldestReady: new Gauge(
      of('mcp_worker_queue_oldest_ready_seconds', 'Age of the oldest task that could be claimed'),
    ),
    unroutable: new Gauge(
      of(
        'mcp_worker_tasks_unroutable',
        'Waiting tasks whose type or version this worker cannot run',
        'task_type',
      ),
    ),
    crashes: new Counter(of('mcp_worker_host_crashes_total', 'Threads that died under a task', 'task_type')),
    staleSettles: new Counter(
      of(
        'mcp_worker_stale_settles_total',
        'Results that were refused: the delivery was not current any more',
      ),
    ),
    abandoned: new Counter(
      of('mcp_worker_abandoned_handlers_total', 'Inline handlers that ignored their signal', 'task_type'),
    ),
    loopLag: new Gauge(
      of(
        'mcp_worker_event_loop_lag_seconds',
        'Delay of the main loop, 99th percentile since the last scrape',
      ),
    ),
    commit: new Histogram({
      ...of('mcp_worker_store_commit_seconds', 'Duration of the transactions of the store, with their fsync'),
      buckets: COMMIT_SECONDS,
    }),
  }
}
