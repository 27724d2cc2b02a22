/** What the dashboard shows, in the order in which a person looks: is it up, does work flow, what waits, what is slow, what breaks. */
export interface Panel {
  readonly title: string
  readonly description: string
  readonly unit: 'short' | 's' | 'ops' | 'bytes' | 'percentunit' | 'bool_yes_no'
  readonly kind: 'stat' | 'timeseries'
  readonly queries: readonly { readonly expr: string; readonly legend: string }[]
}

export interface Row {
  readonly title: string
  readonly panels: readonly Panel[]
}

type Queries = Readonly<Record<string, string>>

const of =
  (kind: Panel['kind']) =>
  (title: string, description: string, unit: Panel['unit'], queries: Queries): Panel => ({
    title,
    description,
    unit,
    kind,
    queries: Object.entries(queries).map(([legend, expr]) => ({ legend, expr })),
  })
const stat = of('stat')
const graph = of('timeseries')

/** Of the chosen workers. */
const W = 'job="$job",instance=~"$instance"'

/** Counters are each worker's own: they are added up. */
const rate = (metric: string, by: string, more = '') =>
  `sum by (${by}) (rate(${metric}{${W}${more}}[$__rate_interval]))`

const quantile = (q: number, metric: string, by: string) =>
  `histogram_quantile(${q}, ${rate(`${metric}_bucket`, by === '' ? 'le' : `${by}, le`)})`

/** What is read from the queue is the same in each worker that shares it: the largest is taken. */
const queue = (by: string) => `sum by (${by}) (max by (task_type, status) (mcp_worker_queue_tasks{${W}}))`

export const ROWS: readonly Row[] = [
  {
    title: 'Now',
    panels: [
      stat('Healthy', 'The last health check of every worker passed', 'bool_yes_no', {
        healthy: `min(mcp_worker_health{${W}})`,
      }),
      stat('Workers', 'Metrics ports that answer', 'short', { up: `sum(up{${W}})` }),
      stat('Running', 'Deliveries in hand', 'short', { active: `sum(mcp_worker_active_tasks{${W}})` }),
      stat('Waiting', 'Scheduled, queued or retrying', 'short', {
        waiting: `sum(max by (task_type, status) (mcp_worker_queue_tasks{${W},status=~"scheduled|queued|retrying"}))`,
      }),
      stat('Oldest ready', 'How long the oldest task that could run has waited', 's', {
        age: `max(mcp_worker_queue_oldest_ready_seconds{${W}})`,
      }),
      stat('Cannot be run', 'Waiting tasks that some worker has no plugin for', 'short', {
        unroutable: `sum(max by (task_type) (mcp_worker_tasks_unroutable{${W}})) or vector(0)`,
      }),
    ],
  },
  {
    title: 'Work',
    panels: [
      graph(
        'Deliveries by how they ended',
        'Per second; success, failed (for good), retried, cancelled, …',
        'ops',
        {
          '{{status}}': rate('mcp_worker_tasks_processed_total', 'status'),
        },
      ),
      graph('Successes by type', 'Per second', 'ops', {
        '{{task_type}}': rate('mcp_worker_tasks_processed_total', 'task_type', ',status="success"'),
      }),
      graph('Failed attempts by type', 'Per second, final or retried', 'ops', {
        '{{task_type}}': rate('mcp_worker_tasks_failed_total', 'task_type'),
      }),
      graph('Running by worker', 'Deliveries in hand; WORKER_CONCURRENCY is the most there can be', 'short', {
        '{{instance}}': `sum by (instance) (mcp_worker_active_tasks{${W}})`,
      }),
    ],
  },
  {
    title: 'Queue',
    panels: [
      graph('Tasks by status', 'Succeeded and failed ones go with their retention', 'short', {
        '{{status}}': queue('status'),
      }),
      graph('Waiting by type', 'Scheduled, queued or retrying', 'short', {
        '{{task_type}}': `sum by (task_type) (max by (task_type, status) (mcp_worker_queue_tasks{${W},status=~"scheduled|queued|retrying"}))`,
      }),
      graph('Wait until the claim', 'From the time a task could have been claimed', 's', {
        'p50 {{task_type}}': quantile(0.5, 'mcp_worker_task_wait_seconds', 'task_type'),
        'p95 {{task_type}}': quantile(0.95, 'mcp_worker_task_wait_seconds', 'task_type'),
      }),
      graph('Cannot be run, by type', 'No plugin for the type, or for the version of its payload', 'short', {
        '{{task_type}}': `max by (task_type) (mcp_worker_tasks_unroutable{${W}})`,
      }),
    ],
  },
  {
    title: 'How long',
    panels: [
      graph('Duration, median', 'Of a delivery, by type', 's', {
        '{{task_type}}': quantile(0.5, 'mcp_worker_task_duration_seconds', 'task_type'),
      }),
      graph('Duration, 95th percentile', 'What the alert WorkerHighLatency looks at', 's', {
        '{{task_type}}': quantile(0.95, 'mcp_worker_task_duration_seconds', 'task_type'),
      }),
    ],
  },
  {
    title: 'Store',
    panels: [
      graph('Commit', 'A transaction with its fsync; each accepted task waits for one', 's', {
        p50: quantile(0.5, 'mcp_worker_store_commit_seconds', ''),
        p99: quantile(0.99, 'mcp_worker_store_commit_seconds', ''),
      }),
      graph('Transactions', 'Per second; one holds many submits and settles under load', 'ops', {
        '{{instance}}': rate('mcp_worker_store_commit_seconds_count', 'instance'),
      }),
      graph('Free disk space', 'Of DATA_DIR and of the temporary folder', 'bytes', {
        '{{instance}} {{disk}}': `min by (instance, disk) (mcp_worker_disk_free_bytes{${W}})`,
      }),
    ],
  },
  {
    title: 'Trouble',
    panels: [
      graph('Crashes of threads', 'Tasks that killed the thread they ran in', 'short', {
        '{{task_type}}': `sum by (task_type) (mcp_worker_host_crashes_total{${W}})`,
      }),
      graph('Tasks taken back', 'Of workers that died or were suspended with them in hand', 'short', {
        '{{why}}': `sum by (why) (mcp_worker_tasks_recovered_total{${W}})`,
      }),
      graph(
        'Refused results, abandoned handlers',
        'Lost leases; inline handlers that ignored their signal',
        'short',
        {
          refused: `sum(mcp_worker_stale_settles_total{${W}})`,
          'abandoned {{task_type}}': `sum by (task_type) (mcp_worker_abandoned_handlers_total{${W}})`,
        },
      ),
      graph('Event loop lag', '99th percentile; above 0.5 s an inline handler computes too long', 's', {
        '{{instance}}': `max by (instance) (mcp_worker_event_loop_lag_seconds{${W}})`,
      }),
      graph('Starts', 'Of the process in the last half hour', 'short', {
        '{{instance}}': `changes(process_start_time_seconds{${W}}[30m])`,
      }),
    ],
  },
  {
    title: 'Process',
    panels: [
      graph('Memory', 'Resident', 'bytes', {
        '{{instance}}': `sum by (instance) (process_resident_memory_bytes{${W}})`,
      }),
      graph('JavaScript heap', 'Of the main thread', 'bytes', {
        '{{instance}}': `sum by (instance) (nodejs_heap_size_used_bytes{${W}})`,
      }),
      graph('CPU', 'Cores', 'short', { '{{instance}}': rate('process_cpu_seconds_total', 'instance') }),
      graph('Garbage collection', 'Share of the time', 'percentunit', {
        '{{instance}}': rate('nodejs_gc_duration_seconds_sum', 'instance'),
      }),
    ],
  },
]

/** With what Grafana would put in the place of its variables. */
export function queryText(expr: string, window: string): string {
  return expr
    .replaceAll('$__rate_interval', window)
    .replaceAll('$job', 'mcp-worker')
    .replaceAll('$instance', '.*')
}
