import { monitorEventLoopDelay } from 'node:perf_hooks'

const RESOLUTION_MS = 20
const WINDOW_MS = 30_000

export interface LoopLag {
  /** 99th percentile of the main loop's delay in the last half to whole minute, in milliseconds. */
  readonly p99Ms: () => number
  stop(): void
}

export function watchLoopLag(): LoopLag {
  const histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
  histogram.enable()
  // the histogram counts the timer's own interval; what is above it is lag
  const read = () => (histogram.count === 0 ? 0 : Math.max(0, histogram.percentile(99) / 1e6 - RESOLUTION_MS))
  let before = 0
  const turning = setInterval(() => {
    before = read()
    histogram.reset()
  }, WINDOW_MS)
  turning.unref()
  return {
    p99Ms: () => Math.max(before, read()),
    stop() {
      clearInterval(turning)
      histogram.disable()
    },
  }
}
