import type { WarmupOptions, WarmupTimes } from '../engine.js'
import { ModelError } from '../errors.js'
import { timeoutSignal } from '../timers.js'

/**
 * Runs a model as often as asked within the time limit.
 * @param runOnce answers the milliseconds of one run, and gives up when its signal is aborted
 */
export async function timeRuns(
  { runs, maxMs, signal }: Pick<WarmupOptions, 'runs' | 'maxMs' | 'signal'>,
  runOnce: (signal: AbortSignal) => Promise<number>,
): Promise<WarmupTimes> {
  const limit = timeoutSignal(maxMs)
  const both = AbortSignal.any([signal, limit])
  const times: number[] = []
  try {
    while (times.length < runs && !both.aborted) times.push(await runOnce(both))
  } catch (error) {
    signal.throwIfAborted()
    if (!limit.aborted) throw error
  }
  signal.throwIfAborted()
  const [firstMs] = times
  if (firstMs === undefined) {
    throw new ModelError('WARMUP_TIMEOUT', `expected one run at least within ${maxMs} ms, got none`)
  }
  return { firstMs, p50Ms: medianOf(times), runs: times.length }
}

function medianOf(times: readonly number[]): number {
  const sorted = times.toSorted((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  const upper = sorted[middle] ?? 0
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? upper) + upper) / 2
}
