import { monitorEventLoopDelay } from 'node:perf_hooks'

const RESOLUTION_MS = 20
const WINDOW_MS = 30_000

export interface LoopLag {
  /** 99th percentile of the main loop's delay in the last half to whole minute, in milliseconds. */
  readonly p99Ms: () => number
  stop(): void
}

export function watchLoopLag(): LoopLag {
  // two, each begun half a window after the other and never reset: a reset forgets the block that is just going on
  let [older, newer] = [record(), record()]
  const turning = setInterval(() => {
    older.disable()
    older = newer
    newer = record()
  }, WINDOW_MS)
  turning.unref()
  return {
    p99Ms: () => Math.max(p99Of(older), p99Of(newer)),
    stop() {
      clearInterval(turning)
      older.disable()
      newer.disable()
    },
  }
}

type Recording = ReturnType<typeof monitorEventLoopDelay>

function record(): Recording {
  const histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
  histogram.enable()
  return histogram
}

/** The histogram counts the timer's own interval; what is above it is lag. */
function p99Of(histogram: Recording): number {
  return histogram.count === 0 ? 0 : Math.max(0, histogram.percentile(99) / 1e6 - RESOLUTION_MS)
}
