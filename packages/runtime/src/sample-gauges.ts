import { statfs } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import type { Clock } from './clock.js'
import { raceAbort } from './host/race-abort.js'
import type { LoopLag } from './loop-lag.js'
import type { Metrics } from './metrics.js'
import type { QueueDriver } from './queue.js'
import type { KnownType } from './registry.js'

/** A scrape waits ten seconds by default; a store that stands still shall not take the other figures along. */
const ANSWER_TIMEOUT_MS = 2000

interface Sampled {
  readonly queue: QueueDriver
  readonly types: ReadonlyMap<string, KnownType>
  readonly clock: Clock
  readonly lag: LoopLag
  readonly dataDir: string
}

/**
 * Brings the gauges up to date that nobody sets by an event. Never rejects: what cannot be read has no value in this scrape,
 * and the others are told all the same.
 */
export async function sampleGauges(metrics: Metrics, from: Sampled): Promise<void> {
  metrics.loopLag.set(from.lag.p99Ms() / 1000)
  await Promise.all([
    sampleQueue(metrics, from),
    sampleDisk(metrics, 'data', from.dataDir),
    sampleDisk(metrics, 'temp', tmpdir()),
  ])
}

async function sampleQueue(metrics: Metrics, { queue, types, clock }: Sampled): Promise<void> {
  const inTime = AbortSignal.timeout(ANSWER_TIMEOUT_MS)
  const counts = await raceAbort(queue.counts(), inTime).catch(() => null)
  metrics.depth.reset()
  metrics.unroutable.reset()
  if (!counts) return metrics.oldestReady.remove()
  for (const [type, statuses] of Object.entries(counts.byType)) {
    for (const [status, n] of Object.entries(statuses)) metrics.depth.set({ task_type: type, status }, n)
  }
  for (const { type, version, count } of counts.waiting) {
    if (!types.get(type)?.versions.includes(version)) metrics.unroutable.inc({ task_type: type }, count)
  }
  const since = counts.oldestReadyAt
  metrics.oldestReady.set(since === null ? 0 : Math.max(0, clock.wall() - since) / 1000)
}

async function sampleDisk(metrics: Metrics, disk: 'data' | 'temp', folder: string): Promise<void> {
  const space = await statfs(folder).catch(() => null)
  if (space) metrics.diskFree.set({ disk }, space.bavail * space.bsize)
  else metrics.diskFree.remove({ disk })
}
