import type { PluginLog, PluginMetrics } from '@mcp-worker/runtime'
import type { ModelCache } from './model-cache.js'
import type { CacheObserver } from './observer.js'
import { bytesIn } from './pools.js'
import { MODEL_STATES } from './states.js'

const LOAD_SECONDS = [0.01, 0.05, 0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600]
const WARMUP_SECONDS = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60]

/** The instruments of this package, exposed as `mcp_worker_model_cache_…`, and its log lines. */
export interface ModelCacheMetrics extends CacheObserver {
  /** Sets the gauges from what the cache holds now, and from how many of the warm list it does not. */
  sample(cache: ModelCache, warmMissing: number): void
  /** The health check found this many loads, warmups and unloads without a sign of life. */
  stalled(count: number): void
}

export function createModelCacheMetrics(metrics: PluginMetrics, log: PluginLog): ModelCacheMetrics {
  return { ...createEvents(metrics, log), ...createGauges(metrics) }
}

function createEvents(metrics: PluginMetrics, log: PluginLog): CacheObserver {
  const { requests, loads, thrash, loadSeconds, warmupSeconds, evictions, gone, unloadFailures } =
    createCounters(metrics)
  return {
    requested: (engine, outcome) => requests.inc({ engine, outcome }),
    loadEnded(engine, outcome, seconds, soonAgain) {
      loads.inc({ engine, outcome })
      if (outcome === 'loaded') loadSeconds.observe(seconds, { engine })
      if (soonAgain) thrash.inc({ engine })
    },
    warmed: (engine, firstMs) => warmupSeconds.observe(firstMs / 1000, { engine }),
    evicted(engine, model, reason) {
      evictions.inc({ engine, reason })
      log.info('model_evicted', { engine, model, reason })
    },
    chose: ({ forModel, neededBytes, policy, candidates }) =>
      log.debug('eviction_chosen', { for_model: forModel, needed_bytes: neededBytes, policy, candidates }),
    gone(engine, model, error) {
      gone.inc({ engine })
      log.warn('model_gone', { engine, model, error: error.message })
    },
    unloadFailed(engine, model, error) {
      unloadFailures.inc({ engine })
      log.error('model_unload_failed', { engine, model, error: error.message })
    },
  }
}

function createCounters(metrics: PluginMetrics) {
  const count = <L extends string>(name: string, help: string, ...labels: readonly L[]) =>
    metrics.counter({ name, help, labels })
  const time = (name: string, help: string, buckets: readonly number[]) =>
    metrics.histogram({ name, help, labels: ['engine'], buckets })
  return {
    requests: count(
      'requests_total',
      'Requests for a model by how they ended: hit, loaded, joined, refused, failed',
      'engine',
      'outcome',
    ),
    loads: count('loads_total', 'Loads by how they ended: loaded, failed, cancelled', 'engine', 'outcome'),
    thrash: count(
      'reloads_soon_total',
      'Loads of a model that had been evicted for others within thrashWindow',
      'engine',
    ),
    loadSeconds: time('load_seconds', 'Seconds per load that worked, warmup included', LOAD_SECONDS),
    warmupSeconds: time('first_run_seconds', 'Seconds of the first run after a load', WARMUP_SECONDS),
    evictions: count(
      'evictions_total',
      'Models unloaded by reason: room, memory, idle, asked',
      'engine',
      'reason',
    ),
    gone: count('gone_total', 'Models that their engine lost before their time was over', 'engine'),
    unloadFailures: count(
      'unload_failures_total',
      'Unloads that did not give the memory back and were tried again',
      'engine',
    ),
  }
}

function createGauges(metrics: PluginMetrics): Pick<ModelCacheMetrics, 'sample' | 'stalled'> {
  const models = metrics.gauge({ name: 'models', help: 'Models by state', labels: ['state'] })
  const bytes = metrics.gauge({
    name: 'bytes',
    help: 'Bytes of a pool: used, reserved (loads under way), limit where there is one',
    labels: ['pool', 'kind'],
  })
  const waiting = metrics.gauge({ name: 'waiting', help: 'Requests that wait for room', labels: ['pool'] })
  const missing = metrics.gauge({
    name: 'warm_missing',
    help: 'Models of the warm list that are not in memory',
  })
  const stalled = metrics.gauge({
    name: 'stalled',
    help: 'Loads, warmups and unloads without a sign of life for stallAfter, at the last health check',
  })
  return {
    stalled: (count) => stalled.set(count),
    sample(cache, warmMissing) {
      missing.set(warmMissing)
      const entries = [...cache.entries()]
      const states = entries.map(({ state }) => state)
      for (const state of MODEL_STATES) models.set(states.filter((one) => one === state).length, { state })
      for (const one of cache.pools()) {
        const { ledger, room } = one
        const { pool } = ledger
        const { used, reserved } = bytesIn(one, entries)
        bytes.set(used, { pool, kind: 'used' })
        bytes.set(reserved, { pool, kind: 'reserved' })
        if (ledger.limit !== null) bytes.set(ledger.limit, { pool, kind: 'limit' })
        waiting.set(room.waiting(), { pool })
      }
    },
  }
}
