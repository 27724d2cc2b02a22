import type { Clock } from './clock.js'
import type { LoopLag } from './loop-lag.js'
import type { Metrics } from './metrics.js'
import type { QueueDriver } from './queue.js'
import type { KnownType } from './registry.js'

/** Brings the gauges that describe the queue up to date; called at each scrape. */
export async function sampleQueue(
  metrics: Metrics,
  from: {
    readonly queue: QueueDriver
    readonly types: ReadonlyMap<string, KnownType>
    readonly clock: Clock
    readonly lag: LoopLag
  },
): Promise<void> {
  const counts = await from.queue.counts()
  metrics.depth.reset()
  for (const [type, statuses] of Object.entries(counts.byType)) {
    for (const [status, n] of Object.entries(statuses)) metrics.depth.set({ task_type: type, status }, n)
  }
  metrics.unroutable.reset()
  for (const { type, version, count } of counts.waiting) {
    if (!from.types.get(type)?.versions.includes(version)) metrics.unroutable.inc({ task_type: type }, count)
  }
  const since = counts.oldestReadyAt
  metrics.oldestReady.set(since === null ? 0 : Math.max(0, from.clock.wall() - since) / 1000)
  metrics.loopLag.set(from.lag.p99Ms() / 1000)
}
