import { hostname } from 'node:os'
import type { PluginLog, PluginMetrics } from '@mcp-worker/runtime'
import { createCatalog, type Catalog } from './catalog.js'
import { createCacheClock, type CacheClock } from './clock.js'
import { createEmbedderService, type EmbedderService } from './embedder-service.js'
import type { ModelEngine } from './engine.js'
import { demandHealth, findStalls } from './health.js'
import { createModelCacheMetrics, type ModelCacheMetrics } from './metrics.js'
import { createModelCache, type ModelCache } from './model-cache.js'
import { limitsOf, refuseUnknownEngines } from './open-engines.js'
import type { OperationsAround } from './operations.js'
import type { ModelCacheOptions } from './options.js'
import { createReconcile, type Reconcile } from './reconcile.js'
import type { StatusAround } from './status.js'
import { loadWarmList, missingWarm } from './warm.js'

export interface OpenCacheParts {
  readonly options: ModelCacheOptions
  readonly engines: readonly ModelEngine[]
  readonly log: PluginLog
  readonly metrics: PluginMetrics
  /** Aborted when the worker gives up starting. */
  readonly signal: AbortSignal
  readonly clock?: CacheClock
}

/** The cache with all that the plugin needs of it, its warm list loaded. */
export interface OpenedCache extends OperationsAround, StatusAround {
  readonly cache: ModelCache
  readonly embedders: (signal: AbortSignal) => EmbedderService
  /** Throws what is wrong. */
  checkHealth(): void
  close(): Promise<void>
}

const SAMPLE_EVERY_MS = 1000

/** Rejects where an option names an engine that is not there, or the warm list could not be loaded; everything is closed again then. */
export async function openModelCache(parts: OpenCacheParts): Promise<OpenedCache> {
  const { options, engines, log, signal, clock = createCacheClock() } = parts
  refuseUnknownEngines(options, engines)
  const metrics = createModelCacheMetrics(parts.metrics, log)
  const settings = settingsOf(options, engines)
  const cache = createModelCache({ engines, clock, observer: metrics, settings })
  const catalog = createCatalog(engines, options)
  const reconcile = createReconcile({ cache, catalog, engines, warm: options.warm })
  const upkeep = keepUp({ cache, clock, metrics, reconcile, everyMs: options.reconcileInterval, log })
  const close = async () => {
    upkeep.stop()
    await cache.close()
  }
  try {
    await loadWarmList({ cache, catalog, clock, warm: options.warm, timeoutMs: options.warmTimeout }, signal)
  } catch (error) {
    await close()
    throw error
  }
  return {
    cache,
    catalog,
    clock,
    reconcile,
    close,
    rateHalfLifeMs: options.rateHalfLife,
    replica: options.replica ?? `${hostname()}:${process.pid}`,
    embedders: createEmbedderService({ cache, catalog, embedders: options.embedder.models }),
    checkHealth: () => checkHealth({ cache, catalog, clock, metrics, options }),
  }
}

function settingsOf(options: ModelCacheOptions, engines: readonly ModelEngine[]) {
  return {
    policy: options.eviction,
    limits: limitsOf(options, engines),
    minResidencyMs: options.minResidency,
    roomWaitMs: options.roomWait,
    rateHalfLifeMs: options.rateHalfLife,
    keepAliveMs: options.keepAlive,
    unloadTimeoutMs: options.unloadTimeout,
    thrashWindowMs: options.thrashWindow,
  }
}

interface HealthAround {
  readonly cache: ModelCache
  readonly catalog: Catalog
  readonly clock: CacheClock
  readonly metrics: ModelCacheMetrics
  readonly options: ModelCacheOptions
}

function checkHealth({ cache, catalog, clock, metrics, options }: HealthAround): void {
  const { stallAfter: stallAfterMs, roomWait: roomWaitMs } = options
  const stalls = findStalls(cache.entries(), clock, { stallAfterMs, roomWaitMs })
  metrics.stalled(stalls.length)
  demandHealth(stalls, missingWarm({ cache, catalog, warm: options.warm }))
}

interface Upkeep {
  readonly cache: ModelCache
  readonly clock: CacheClock
  readonly metrics: ModelCacheMetrics
  readonly reconcile: Reconcile
  readonly everyMs: number
  readonly log: PluginLog
}

/** Gauges every second, reconciliation at its interval; each starts when the one before it has ended. */
function keepUp({ cache, clock, metrics, reconcile, everyMs, log }: Upkeep): { stop(): void } {
  const stopping = new AbortController()
  let cancelSample: (() => void) | null = null
  let cancelReconcile: (() => void) | null = null
  const sample = () => {
    metrics.sample(cache)
    cancelSample = clock.after(SAMPLE_EVERY_MS, sample)
  }
  const next = () => {
    if (!stopping.signal.aborted) cancelReconcile = clock.after(everyMs, () => void run())
  }
  const run = async () => {
    const reconciled = await reconcile(stopping.signal).catch(() => null)
    for (const { what, error } of reconciled?.failed ?? [])
      log.warn('model_reconcile_failed', { what, error: error.message })
    next()
  }
  sample()
  next()
  return {
    stop() {
      stopping.abort(new Error('the model cache is closed'))
      cancelSample?.()
      cancelReconcile?.()
    },
  }
}
