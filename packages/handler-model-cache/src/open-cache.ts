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
import { createReconcile } from './reconcile.js'
import type { StatusAround } from './status.js'
import { keepLooking, keepSampling, logWarmFailure } from './upkeep.js'
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

/** Rejects where an option names an engine that is not there, or the warm list could not be loaded; everything is closed again then. */
export async function openModelCache(parts: OpenCacheParts): Promise<OpenedCache> {
  const { options, engines, log, signal, clock = createCacheClock() } = parts
  refuseUnknownEngines(options, engines)
  const metrics = createModelCacheMetrics(parts.metrics, log)
  const settings = settingsOf(options, engines)
  const cache = createModelCache({ engines, clock, observer: metrics, settings })
  const catalog = createCatalog(engines, options)
  const kept = { cache, catalog, engines, warm: options.warm }
  const stops = [keepSampling({ ...kept, clock, metrics })]
  const close = async () => {
    for (const stop of stops) stop()
    await cache.close()
  }
  try {
    const onFailed = (what: string, error: Error) => logWarmFailure(log, what, error)
    await loadWarmList({ ...kept, clock, timeoutMs: options.warmTimeout, onFailed }, signal)
  } catch (error) {
    await close()
    throw error
  }
  stops.push(keepLooking({ ...kept, clock, metrics, everyMs: options.reconcileInterval, log }))
  return {
    cache,
    catalog,
    clock,
    reconcile: createReconcile(kept),
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
